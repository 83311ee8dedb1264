"""The verbs of the product and the HTTP that leads to them.

Verbs (`generation`, `lyric`, `account`, `sign_in`, `tokens`) take a session and plain values; `routes/` translates.
Knows nothing of Dash, and never imports torch: text comes from the inference service.
"""
