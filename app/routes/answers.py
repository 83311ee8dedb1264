"""What the API answers, as types: for its description alone. Routes send the plain values that verbs give."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from app.generation import Deed
from contracts.wire import LineEvidence, Offer, Usage, VoiceState
from lyrics.form import Form, Section

Json = dict[str, Any]


class Voice(BaseModel):
    """A checkpoint or an adapter that may write: `name` is what a request says for it. `state` refused says why in
    `reason`. An adapter has the `base` that it was trained on, and a `number`: which version of its title it is."""

    name: str
    kind: Literal["checkpoint", "adapter"]
    base: str
    number: int
    title: str
    licence: str
    source: str
    architecture: str
    num_parameters: int
    max_len: int
    state: VoiceState
    reason: str


class Voices(BaseModel):
    """All voices."""

    voices: list[Voice]


class Placed(BaseModel):
    """Where the text of a deed goes: `line` is the number at which it will stand, in that line's place if it
    `replaces`. What `starts_stanza` needs a blank line between itself and the sung lines around it. `words` is what
    it keeps."""

    kind: str
    line: int
    replaces: bool
    starts_stanza: bool
    num_lines: int
    words: str


class GenerationStarted(BaseModel):
    """A generation that has begun; read its events at `events_url`. `placed` is null without a deed."""

    id: str
    events_url: str
    placed: Placed | None


class Take(BaseModel):
    """One of the texts; `finish_reason` is null while it is being written. Written to a form, it has the evidence of
    its lines; of ranked alternatives the first is the best, by its score."""

    index: int
    text: str
    finish_reason: str | None
    lines: list[LineEvidence]
    score: float | None


class GenerationFailure(BaseModel):
    """Why a generation failed. With `impossible_form` come forms that could be kept; with `dead_end` no line came this
    time, and another try may bring one."""

    code: str
    message: str
    offers: list[Offer]


class GenerationShown(BaseModel):
    """A generation as it stands."""

    id: str
    state: str
    voice: str
    prompt: str
    params: Json
    form: Form | None
    deed: Deed | None
    placed: Placed | None
    lyric_id: str | None
    takes: list[Take]
    usage: Usage
    error: GenerationFailure | None
    created_at: str
    finished_at: str | None
    events_url: str


class LyricShown(BaseModel):
    """A lyric. Send `revision` back when saving."""

    id: str
    title: str
    text: str
    revision: int
    created_at: str
    updated_at: str


class LyricListed(BaseModel):
    """A lyric in the library."""

    id: str
    title: str
    first_line: str
    updated_at: str


class Library(BaseModel):
    """All lyrics of this writer, the last touched first."""

    lyrics: list[LyricListed]


class VersionShown(BaseModel):
    """What a lyric once said."""

    id: str
    revision: int
    title: str
    text: str
    reason: str
    created_at: str


class Versions(BaseModel):
    """A lyric's versions, the newest first."""

    versions: list[VersionShown]


class HeardWord(BaseModel):
    """A word of a line; `start` and `end` count UTF-16 units within the line. Guessed: no dictionary has it."""

    word: str
    start: int
    end: int
    num_syllables: int
    is_guessed: bool


class RhymeMark(BaseModel):
    """What a line's last word rhymes with: the letter of its group within the stanza, and how strongly."""

    group: str
    strength: Literal["perfect", "near", "assonance"]
    start: int
    end: int


class HeardLine(BaseModel):
    """How a line sounds. Blank lines and headings have no words."""

    number: int
    num_syllables: int
    stresses: list[int]
    words: list[HeardWord]
    rhyme: RhymeMark | None


class Readings(BaseModel):
    """How a lyric sounds to this writer, line by line."""

    lines: list[HeardLine]


class Suggestion(BaseModel):
    """A word that rhymes."""

    word: str
    num_syllables: int


class Suggestions(BaseModel):
    """What rhymes with `word`, by kind."""

    word: str
    perfect: list[Suggestion]
    near: list[Suggestion]
    assonance: list[Suggestion]


class LineAnalysis(BaseModel):
    """A sung line, in the likeliest way to say it. `metre` is in words, and says so where it asks for another number of
    syllables. `heat` has the line's words, each with the number of vowels that it rhymes over."""

    text: str
    letter: str
    num_syllables: int
    stresses: list[int]
    metre: str
    heat: list[tuple[str, int]]


class Analysis(BaseModel):
    """A text, stanza by stanza, and its meters."""

    stanzas: list[list[LineAnalysis]]
    scheme: str
    num_words: int
    rhyme_factor: float
    rhyme_density: float
    distinct_1: float
    distinct_2: float
    repetition: float
    cliches: list[str]
    explicit: list[str]


class Preset(BaseModel):
    """A song to begin with: its parts and their forms."""

    name: str
    words: str
    sections: list[Section]


class Presets(BaseModel):
    """All presets."""

    presets: list[Preset]


class FormAsked(BaseModel):
    """A form to be read."""

    form: Form


class FormShown(BaseModel):
    """A form as it was understood, and in words."""

    words: str
    form: Form


class PronunciationShown(BaseModel):
    """How this writer says a word: its phones, and the word that it was likened to."""

    word: str
    phones: str
    like: str | None


class Pronunciations(BaseModel):
    """This writer's own pronunciations, by word."""

    pronunciations: list[PronunciationShown]
