"""A quote as it is shown: what a training would take, and what stands in its way."""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from app.quote import Balance, QuoteView
from contracts.training import Quote, TrainConfig
from dashboards import progress
from dashboards.builder import plural, refusal
from dashboards.words import duration, money


def measuring(view: QuoteView) -> list[Component]:
    """What is shown while there is no quote yet."""
    strip = [progress.strip(view.job)] if view.job else []
    words = "A few steps are tried out on these songs first, so that the quote is measured and not guessed."
    return [html.H2("Quote"), html.P(words, className="hint"), *strip, *_refusals(view)]


def why_not(view: QuoteView) -> str:
    """Why a training cannot be asked for before its quote is there."""
    return " ".join(view.refusals) or "The quote is being measured."


def quoted(view: QuoteView, priced: Quote) -> list[Component]:
    """The quote, and what it is made of."""
    held = view.balance
    minutes, most = plural(held.minutes_allowance, "minute"), plural(priced.max_minutes, "minute")
    figures = [
        ("minutes", "Time", duration(60 * priced.minutes), f"never more than {most} charged"),
        ("price", "Price", money(priced.price_cents), f"never more than {money(priced.max_price_cents)}"),
        ("balance", "Allowance", f"{held.minutes_left:,} of {minutes} left", _places(held)),
        ("quality", "Similar runs", *_quality(priced)),
    ]
    shown = [
        html.Div([html.Dt(label), html.Dd([value, html.Small(note)], id=f"quote-{name}")])
        for name, label, value, note in figures
    ]
    settled = _settled(TrainConfig.model_validate(view.config), priced)
    warned = [html.P(words, className="hint") for words in view.cautions]
    return [html.H2("Quote"), html.Dl(shown, className="quote-figures"), *warned, settled, *_refusals(view)]


def _places(held: Balance) -> str:
    return f"{held.adapters:,} of {plural(held.max_adapters, 'voice')} kept"


def _quality(priced: Quote) -> tuple[str, str]:
    if priced.bits_per_byte is None:
        return "too few yet", "with this checkpoint and effort"
    low, high = priced.bits_per_byte
    return f"{low:.2f} to {high:.2f}", f"bits a byte on held-out songs, {plural(priced.num_similar, 'run')}"


def _settled(config: TrainConfig, priced: Quote) -> Component:
    """Every number that will be used."""
    facts = [
        f"{plural(priced.num_steps, 'update')} of {config.batch_tokens:,} tokens, {priced.num_tokens:,} in all",
        f"{config.epochs:g} times through the songs",
        f"rank {config.lora_rank}, alpha {config.lora_alpha:g}, dropout {config.lora_dropout:g}",
        f"learning rate {config.learning_rate:g}",
        f"songs up to {config.max_len:,} tokens whole",
        f"{plural(config.num_evaluations, 'look')} at the held-out songs",
        config.dtype + (", 8-bit base" if config.eight_bit else ""),
        f"seed {config.seed}",
    ]
    summary = html.Summary("What that means", id="quote-details")
    return html.Details([summary, html.Ul([html.Li(fact) for fact in facts])], className="job-log")


def _refusals(view: QuoteView) -> list[Component]:
    return [refusal(words) for words in view.refusals]
