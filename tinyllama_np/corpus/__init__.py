"""Text in, batches of tokens out.

Read in this order: `synthetic` (the embedded stories), `text` (reading and splitting stories),
`tokens` (the token file and its record), `batches` (the ring, its windows and their order).
"""
