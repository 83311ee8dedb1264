"""What a network writes when no form holds it, in figures: how it rhymes, scans, repeats itself and recites.

The bare checkpoint, the version before and the new adapter get the same prompts and the same seeds: the first lines of
songs that none of them was trained on. Definitions, all over the sung lines of the texts:

- `rhyme_rate`: share of lines whose end rhymes with the line before or the one two before (`lyrics.judge.do_rhyme`,
  full rhymes only; the prompt is the line before the first). By chance it is 2 to 3 in a hundred.
- `metre_rate`: share of lines on a regular metre: within a fifth of a syllable each of one of the named feet
  (`lyrics.metre.scan`), and of as many beats as the line before or the one two before, as ballads alternate them.
- `copied_share`: of the lines of four words or more, those whose words stand in the training songs in a row.
- `longest_copy`: the most words in a row that stand there, across line breaks; below four they are nobody's, and 0.
- `distinct_2`: `lyrics.meters.distinct_n` of stretches of `STRETCH` words, the mean: it does not hang on how much was
  written.
- `explicit_share`: share of lines with an explicit word.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple, Self

from contracts.training import Measures
from lyrics.clean import normalised_words, stanzas_of
from lyrics.explicit import is_explicit
from lyrics.form import Form
from lyrics.judge import do_rhyme
from lyrics.meters import distinct_n
from lyrics.metre import scan
from lyrics.originality import SIZES, OriginalityIndex
from lyrics.phones import Lexicon
from training.songs import TrainSong, part
from training.writing import Wish, Writer

LINES_A_TAKE = 8
MAX_ROUNDS = 4
"""A network that writes hardly any lines is not asked for ever."""
MIN_PROMPTS = 8
MIN_COPIED_WORDS = min(SIZES)
STRETCH = 400
SAMPLE_FORM = Form(scheme="AABB", syllables=8)
SAMPLE_FORM_WORDS = "AABB, 8 syllables"
ORIGINALITY = "originality"
"""The folder beside an adapter's weights that holds the index of its training songs."""
_JUDGED = "judged"


class Verse(NamedTuple):
    """A text and the line that it goes on from."""

    prompt: str
    text: str

    @property
    def lines(self) -> list[str]:
        """Sung lines: no headings, no blank ones."""
        return [line for stanza in stanzas_of(self.text) for line in stanza]


class Figures(NamedTuple):
    """What is measured of a text by its words alone, as `Measures` has it."""

    rhyme_rate: float
    metre_rate: float
    copied_share: float
    longest_copy: int
    distinct_2: float
    explicit_share: float
    num_lines: int


class Memory:
    """The songs that a network was trained on, to tell what it recites.

    >>> memory = Memory(["Twinkle, twinkle, little star,\\nhow I wonder what you are"])
    >>> memory.has("HOW I wonder what"), memory.has("how I wonder why"), memory.has("little star")
    (True, False, False)
    >>> memory.longest("O twinkle little star how I wonder what you do")
    8
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self.index = OriginalityIndex.build(_sung(texts), "the training songs")

    def has(self, line: str) -> bool:
        """Whether the words of a line, four or more, stand in the songs in a row."""
        num_words = len(normalised_words(line))
        return num_words >= MIN_COPIED_WORDS and self.longest(line) == num_words

    def longest(self, text: str) -> int:
        """The most words in a row of a text that stand in the songs; 0 below four.

        Beyond eight words it is the longest chain of known runs of eight, which overlap in seven words: hardly ever
        more than what truly stands there.
        """
        top = max(SIZES)
        starts = [run.start for run in self.index.runs(text, top)]
        if not starts:
            return self.index.longest_run(text)
        best = length = top
        for before, start in pairwise(starts):
            length = length + 1 if start == before + 1 else top
            best = max(best, length)
        return best


class Judge:
    """Judges adapters of one base checkpoint by the songs of one dataset. Close it when it is done with."""

    def __init__(
        self,
        base_dir: Path,
        songs: Sequence[TrainSong],
        *,
        device: str = "auto",
        dtype: str = "auto",
        seed: int = 0,
        words: Path | None = None,
    ) -> None:
        """`words` is the folder in which engines keep how a checkpoint spells words.

        Raises:
            training.events.Refused: the songs cannot be parted into those to learn from and those to be judged by.
            inference.weights.CheckpointError: the base is not a whole checkpoint of a known architecture.
        """
        parts = part(songs)
        self._memory = Memory(song.text for song in parts.train)
        self._prompts = _first_lines(parts.held_out)
        self._seed = seed
        self._lexicon = Lexicon()
        self.writer = Writer(base_dir, device=device, dtype=dtype, words=words)
        """What writes for it; others may ask it for more."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the engine's memory back; may be called twice."""
        self.writer.close()

    def measure(self, adapter_dir: Path | None, bits_per_byte: float, num_lines: int) -> Measures:
        """The measures of an adapter, or of the bare checkpoint, by about `num_lines` lines that it writes freely."""
        verses = self.verses(adapter_dir, num_lines)
        return Measures(bits_per_byte=bits_per_byte, **measure(verses, self._memory, self._lexicon)._asdict())

    def verses(self, adapter_dir: Path | None, num_lines: int) -> list[Verse]:
        """What is measured: free texts of `num_lines` lines together, or fewer where hardly any come."""
        adapter = self._put(adapter_dir)
        verses: list[Verse] = []
        num_asked = left = 0
        for _ in range(MAX_ROUNDS):
            left = num_lines - sum(len(verse.lines) for verse in verses)
            if left <= 0:
                break
            turns = range(num_asked, num_asked + max(1, -(-left // LINES_A_TAKE)))
            prompts = [self._prompts[turn % len(self._prompts)] for turn in turns]
            wishes = [
                Wish(f"{prompt}\n", self._seed + turn, max_lines=LINES_A_TAKE)
                for prompt, turn in zip(prompts, turns, strict=True)
            ]
            texts = self.writer.write(wishes, adapter)
            verses += [Verse(prompt, text) for prompt, text in zip(prompts, texts, strict=True)]
            num_asked += len(wishes)
        self._take_away(adapter)
        return _of_lines(verses, num_lines)

    def samples(self, adapter_dir: Path | None, num: int) -> list[dict[str, Any]]:
        """Payloads of `num` sample events: the last one is free, those before keep a form of four lines."""
        adapter = self._put(adapter_dir)
        wishes = [
            Wish(
                f"{self._prompts[turn % len(self._prompts)]}\n",
                self._seed + turn,
                form=None if turn == num - 1 and num > 1 else SAMPLE_FORM,
                max_lines=4,
            )
            for turn in range(num)
        ]
        texts = self.writer.write(wishes, adapter)
        self._take_away(adapter)
        return [self._sample(wish, text) for wish, text in zip(wishes, texts, strict=True)]

    def _sample(self, wish: Wish, text: str) -> dict[str, Any]:
        verse = Verse(wish.prompt.strip("\n"), text.strip("\n"))
        figures = measure([verse], self._memory, self._lexicon)
        found = [near for line in verse.lines if (near := self._memory.index.nearest(line))]
        nearest = max(found, key=lambda near: near.ratio, default=None)
        return {
            "prompt": verse.prompt,
            "form": SAMPLE_FORM_WORDS if wish.form else "",
            "text": verse.text,
            "rhymes": round(figures.rhyme_rate, 4),
            "metre": round(figures.metre_rate, 4),
            "copied": round(figures.copied_share, 4),
            "longest_copy": figures.longest_copy,
            "nearest": {"line": nearest.line, "ratio": round(nearest.ratio, 4)} if nearest else None,
        }

    def _put(self, adapter_dir: Path | None) -> str:
        if adapter_dir is None:
            return ""
        self.writer.put(_JUDGED, adapter_dir)
        return _JUDGED

    def _take_away(self, adapter: str) -> None:
        if adapter:
            self.writer.drop(adapter)


def measure(verses: Sequence[Verse], memory: Memory, lexicon: Lexicon) -> Figures:
    """The figures of texts, as the module defines them; 0 where there is nothing to count.

    >>> song = Memory(["The moon is on the river now\\nAnd I will never show you how"])
    >>> verse = Verse("The moon is on the river now", "And you will never show me how\\nand I will never show you")
    >>> measure([verse], song, Lexicon())[:4]
    (0.5, 0.5, 0.5, 6)
    """
    lines = [line for verse in verses for line in verse.lines]
    num_lines = max(1, len(lines))
    heard = [_kept(verse, lexicon) for verse in verses]
    long = [line for line in lines if len(normalised_words(line)) >= MIN_COPIED_WORDS]
    return Figures(
        rhyme_rate=sum(kept.rhymes for kept in heard) / num_lines,
        metre_rate=sum(kept.beats for kept in heard) / num_lines,
        copied_share=sum(map(memory.has, long)) / max(1, len(long)),
        longest_copy=max((memory.longest("\n".join(verse.lines)) for verse in verses), default=0),
        distinct_2=_distinct(lines),
        explicit_share=sum(map(is_explicit, lines)) / num_lines,
        num_lines=len(lines),
    )


def write_originality(songs: Sequence[TrainSong], adapter_dir: Path, sizes: Sequence[int] = SIZES) -> None:
    """Lay the index of the songs that were trained on beside an adapter, so that who serves it can keep it from
    reciting them."""
    texts = (song.text for song in part(songs).train)
    OriginalityIndex.build(_sung(texts), "the training songs", sizes).save(adapter_dir / ORIGINALITY)


class _Kept(NamedTuple):
    """How many lines of a text rhyme, and how many are on a regular metre."""

    rhymes: int
    beats: int


def _kept(verse: Verse, lexicon: Lexicon) -> _Kept:
    lines = [verse.prompt, *verse.lines]
    scansions = [scan(line, lexicon) for line in lines]
    beats = [scansion.grid.count("/") for scansion in scansions]
    num_rhymes = num_beats = 0
    for place in range(1, len(lines)):
        before = [at for at in (place - 1, place - 2) if at >= 0]
        num_rhymes += any(do_rhyme(lines[place], lines[at], lexicon) for at in before)
        num_beats += bool(scansions[place].metre) and any(beats[place] == beats[at] for at in before)
    return _Kept(num_rhymes, num_beats)


def _distinct(lines: Sequence[str]) -> float:
    words = normalised_words("\n".join(lines))
    stretches = [words[start : start + STRETCH] for start in range(0, len(words), STRETCH)]
    whole = [stretch for stretch in stretches if len(stretch) == STRETCH] or stretches[:1]
    return mean(distinct_n([" ".join(stretch)], 2) for stretch in whole) if whole else 0.0


def _first_lines(songs: Sequence[TrainSong]) -> list[str]:
    """Prompts: the first lines of the songs; with few songs those of all their stanzas, too. In the order of keys."""
    openings = [
        [stanza[0] for stanza in stanzas_of(song.text)]
        for song in sorted(songs, key=lambda song: song.key)
        if song.text
    ]
    firsts = list(dict.fromkeys(opening[0] for opening in openings if opening))
    if len(firsts) < MIN_PROMPTS:
        firsts = list(dict.fromkeys([*firsts, *(line for opening in openings for line in opening)]))
    return firsts or [""]


def _of_lines(verses: Sequence[Verse], num_lines: int) -> list[Verse]:
    """The first texts, `num_lines` lines together; the last one may be cut."""
    kept: list[Verse] = []
    for verse in verses:
        lines = verse.lines[: num_lines - sum(len(before.lines) for before in kept)]
        if lines:
            kept.append(Verse(verse.prompt, "\n".join(lines)))
    return kept


def _sung(texts: Iterable[str]) -> list[str]:
    return [line for text in texts for stanza in stanzas_of(text) for line in stanza]
