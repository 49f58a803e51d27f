"""What is said of a server that does not answer: the next step is the one for that server."""

import pytest

from workshop.connection import reachability
from workshop.connection.credentials import account_url
from workshop.errors import WorkshopError


@pytest.mark.parametrize(
    ("url", "step"),
    [
        ("http://127.0.0.1:9", "start it with `workshop server`, or correct WANDB_BASE_URL"),
        ("http://the.server.invalid:9", "ask whoever runs it whether it is up, or correct WAN"),
        (account_url(), "connect this machine to the internet, or use the backend 'local'"),
    ],
)
def test_silence_is_a_sentence_with_the_next_step(url, step, monkeypatch):
    monkeypatch.setattr(reachability, "ANSWER_LIMIT_S", 0.2)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # so that the internet is not there
    monkeypatch.setenv("no_proxy", "127.0.0.1,the.server.invalid")
    with pytest.raises(WorkshopError) as raised:
        reachability.check_reachable(url)
    assert str(raised.value).startswith(f"the W&B server at {url} cannot be reached (")
    assert f"): {step}" in str(raised.value)
