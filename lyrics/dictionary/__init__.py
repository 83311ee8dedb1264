"""What the ear was given to know: `words.txt.xz`, `slang.txt` and `g2p.npz`, made by `python -m lyrics.dictionary.build`.

Where each comes from and under which licence stands in `NOTICE.md` beside them. `slang.txt` is written by hand.
"""
