"""Webhooks with the unmodified MLflow client: made, listed, changed, tested, deleted, and told of what happens.

WEBHOOK_URL is a receiver that takes everything, WEBHOOK_SECRET what it checks signatures with.
Prints one line of JSON per step; any failure ends the program with a traceback.
"""

import json
import os

from mlflow import MlflowClient
from mlflow.entities.webhook import WebhookEvent, WebhookStatus
from mlflow.exceptions import MlflowException

URL = os.environ["WEBHOOK_URL"]
SECRET = os.environ["WEBHOOK_SECRET"]
client = MlflowClient()


def say(step: str, **facts: object) -> None:
    print(json.dumps({"step": step, **facts}), flush=True)


def refused(code: str, does, *arguments, **named) -> str:
    try:
        does(*arguments, **named)
    except MlflowException as refusal:
        assert refusal.error_code == code, (refusal.error_code, refusal.message)
        return refusal.message
    raise AssertionError(f"{does} was not refused")


made = client.create_webhook(
    name="all.of-it_1",
    url=URL,
    events=["registered_model.created", WebhookEvent.from_str("model_version.created")],
    description="of the client",
    secret=SECRET,
)
assert (made.name, made.url, made.description) == ("all.of-it_1", URL, "of the client"), made
assert made.status == WebhookStatus.ACTIVE and made.secret is None
assert {str(event) for event in made.events} == {"registered_model.created", "model_version.created"}
assert 0 < made.creation_timestamp == made.last_updated_timestamp
shown = client.get_webhook(made.webhook_id)
assert (shown.name, shown.url, shown.creation_timestamp) == (made.name, URL, made.creation_timestamp)
say("made", id=made.webhook_id)

more = [client.create_webhook(name="page", url=URL, events=["prompt.created"], status="DISABLED") for _ in range(3)]
page = client.list_webhooks(max_results=2)
assert [webhook.webhook_id for webhook in page] == [more[2].webhook_id, more[1].webhook_id], page
rest = client.list_webhooks(max_results=2, page_token=page.token)
assert [webhook.webhook_id for webhook in rest][:2] == [more[0].webhook_id, made.webhook_id] and not rest.token
for webhook in more:
    client.delete_webhook(webhook.webhook_id)
assert [webhook.webhook_id for webhook in client.list_webhooks()] == [made.webhook_id]
gone = f"Webhook with ID {more[0].webhook_id} not found."
for call in (client.get_webhook, client.delete_webhook, client.test_webhook):
    assert refused("RESOURCE_DOES_NOT_EXIST", call, more[0].webhook_id).endswith(gone)
say("listed")

# What the client's own classes let through is refused by the server.
for arguments, says in [
    ({"name": "w!"}, "Webhook name 'w!' is invalid. It must start and end with a letter or digit"),
    ({"url": "ftp://bank.example"}, "Invalid webhook URL scheme: 'ftp'. Allowed schemes are: https, http."),
    ({"url": "https://"}, "Webhook URL must include a hostname: 'https://'"),
]:
    sent = {"name": "w", "url": URL, "events": ["prompt.created"], **arguments}
    assert says in refused("INVALID_PARAMETER_VALUE", client.create_webhook, **sent)
say("refused")

changed = client.update_webhook(
    made.webhook_id,
    name="changed",
    events=["model_version_alias.created", "model_version_alias.deleted", "registered_model.created"],
    status="DISABLED",
)
assert (changed.name, changed.url, changed.description) == ("changed", URL, "of the client")
assert changed.status == WebhookStatus.DISABLED and len(changed.events) == 3
assert changed.last_updated_timestamp >= made.last_updated_timestamp
client.create_registered_model("while-disabled")
client.update_webhook(made.webhook_id, status=WebhookStatus.ACTIVE)
say("changed")

result = client.test_webhook(made.webhook_id, event="model_version_alias.created")
assert (result.success, result.response_status, result.error_message) == (True, 200, None), result
assert result.response_body == "taken", result.response_body
client.update_webhook(made.webhook_id, url="http://127.0.0.1:9/")
result = client.test_webhook(made.webhook_id)
assert not result.success and result.response_status is None
assert result.error_message.startswith("Failed to test webhook: "), result.error_message
client.update_webhook(made.webhook_id, url=URL)
say("tested")

client.create_registered_model("hooked")
client.create_model_version("hooked", "s3://bucket/model")
client.set_registered_model_alias("hooked", "champion", "1")
client.set_registered_model_alias("hooked", "champion", "1")
client.delete_registered_model_alias("hooked", "champion")
say("done", id=made.webhook_id)
