"""Sign up, log in, log out: plain forms that work without a script."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import PasswordField, StringField

from app import auth
from app.errors import AppError


class CredentialsForm(FlaskForm):  # type: ignore[misc]  # flask-wtf ships no types
    """E-mail and password, and flask-wtf's CSRF token."""

    email = StringField("E-mail")
    password = PasswordField("Password")


def blueprint() -> Blueprint:
    """`/signup`, `/login`, `/logout`."""
    pages = Blueprint("pages", __name__)

    @pages.route("/signup", methods=["GET", "POST"])
    def signup() -> ResponseReturnValue:
        return _form_page("signup.html", auth.sign_up)

    @pages.route("/login", methods=["GET", "POST"])
    def login() -> ResponseReturnValue:
        return _form_page("login.html", auth.log_in)

    @pages.post("/logout")
    def logout() -> ResponseReturnValue:
        auth.log_out()
        return redirect("/", 303)

    return pages


def _form_page(template: str, verb: Callable[[str, str], object]) -> ResponseReturnValue:
    form = CredentialsForm()
    next_url = inside(request.values.get("next", "/"))
    if request.method == "GET":
        return render_template(template, form=form, error=None, field=None, next_url=next_url)
    try:
        verb(form.email.data or "", form.password.data or "")
    except AppError as error:
        shown = render_template(template, form=form, error=error.message, field=error.field, next_url=next_url)
        return shown, error.status, error.headers
    return redirect(next_url, 303)


def inside(url: str) -> str:
    """`url` when it stays on this site, else the front page."""
    is_path = url.startswith("/") and not url.startswith("//") and "\\" not in url and url.isprintable()
    return url if is_path else "/"
