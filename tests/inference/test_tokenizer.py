"""Prompts become ids, control tokens only where we write them; ids become bytes, one by one."""

from __future__ import annotations

from pathlib import Path

from tokenizers import AddedToken, decoders, models, normalizers, processors
from tokenizers import Tokenizer as Backend

from bench.checkpoints import END, byte_level_tokenizer
from inference.detokenize import TextStream
from inference.tokenizer import Tokenizer

HERE = Path("somewhere")


def byte_level() -> Tokenizer:
    backend = byte_level_tokenizer(640).backend_tokenizer
    backend.add_special_tokens([AddedToken("<|user|>", special=True)])
    return Tokenizer(backend, [639], HERE)


def sentencepiece_like() -> Tokenizer:
    """Llama's kind: BOS first, spaces as ▁, bytes as <0xNN>."""
    letters = [*"▁abcdefgh", *(f"<0x{byte:02X}>" for byte in range(256))]
    vocab = {piece: i for i, piece in enumerate(["<unk>", "<s>", "</s>", *letters, "▁a"])}
    backend = Backend(models.BPE(vocab=vocab, merges=[("▁", "a")], byte_fallback=True, unk_token="<unk>"))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    backend.add_special_tokens(["<unk>", "<s>", "</s>"])
    backend.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return Tokenizer(backend, [2], HERE)


def spelt(tokenizer: Tokenizer, ids: list[int]) -> str:
    stream = TextStream()
    return "".join(stream.feed(tokenizer.bytes_of[token]) for token in ids) + stream.finish()


def test_it_works() -> None:
    tokenizer = byte_level()
    for text in ("midnight rain", "  two\n\nlines\t", "naïve 🌙 ночь"):
        assert spelt(tokenizer, tokenizer.encode(text)) == text


def test_a_control_token_that_a_user_types_is_text() -> None:
    tokenizer = byte_level()
    ids = tokenizer.encode(f"say {END} and <|user|>", frame="<|user|>hi")
    assert ids[0] == 640
    assert not {639, 640} & set(ids[1:])
    assert spelt(tokenizer, ids) == f"hisay {END} and <|user|>"


def test_an_empty_prompt_is_one_token() -> None:
    assert byte_level().encode("") == [639]


def test_the_tokenizers_own_opening_comes_once() -> None:
    tokenizer = sentencepiece_like()
    assert tokenizer.encode("a") == [1, *tokenizer.encode("a")[1:]]
    assert tokenizer.encode("a", frame="<s>b").count(1) == 1
    assert tokenizer.encode("<s>a").count(1) == 1


def test_sentencepiece_spaces_and_bytes_are_spelt() -> None:
    tokenizer = sentencepiece_like()
    ids = tokenizer.encode("abc é a")
    assert spelt(tokenizer, ids) == " abc é a"
    assert tokenizer.bytes_of[1] == b""


def test_gptjs_padding_tokens_do_not_count() -> None:
    backend = byte_level_tokenizer(640).backend_tokenizer
    backend.add_tokens([f"<|extratoken_{nth}|>" for nth in range(1, 9)])
    assert Tokenizer(backend, [639], HERE).num_tokens == 640


def test_a_mark_of_the_format_ends_a_text_like_its_end(tmp_path: Path) -> None:
    loaded = byte_level_tokenizer(640)
    loaded.add_special_tokens({"bos_token": "<|turn|>"})
    loaded.save_pretrained(tmp_path)
    tokenizer = Tokenizer.load(tmp_path, [5])
    assert tokenizer.end_ids == {5, 639, 640}
    assert tokenizer.encode("") == [5]
