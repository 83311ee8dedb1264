"""The web process: the Flask server with the dashboards on it. `gunicorn -c app/gunicorn.py wsgi:app`."""

from __future__ import annotations

import atexit

from app import generation
from app.gate import trust_scripts
from app.web import create_app
from contracts import logs
from contracts.settings import load_settings
from dashboards import mount

logs.configure()
app = create_app(load_settings())
atexit.register(generation.relay().close)
_dash_app = mount(app)
with app.test_request_context("/"):
    # Dash finishes its set-up at the first request; two first requests at once would race (dash #3971).
    app.preprocess_request()
trust_scripts(_dash_app.csp_hashes())
