"""Text in, batches of tokens out.

Read in this order: `synthetic` (the embedded stories), `text` (what a story is, which ones serve
for what), `sources` (stories from files), `record` (the token file's format), `shards` and
`tokens` (its making), `batches` (the ring, its windows and their order).

Apart from these: `web`, `announced`, `download` and `tinystories`, which fetch the public texts.
"""
