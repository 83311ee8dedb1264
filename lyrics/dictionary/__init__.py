"""What the ear was given to know. `python -m lyrics.dictionary.build` makes `words.txt.xz` and `g2p.npz`.

`slang.txt` is written by hand. Where each comes from and under which licence stands in `NOTICE.md` beside them.
"""
