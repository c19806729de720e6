"""What a builder of agents does with MLflow, with the unmodified client. MLFLOW_TRACKING_URI says where.

Prints one line of JSON per step; any failure ends the program with a traceback.
"""

import json
import os
import sys
import time

import mlflow
import requests
from mlflow import MlflowClient
from mlflow.entities import AssessmentSource, Document, Feedback, SpanType
from mlflow.exceptions import MlflowException

suffix = sys.argv[1] if len(sys.argv) > 1 else "1"
client = MlflowClient()
bearer = {"Authorization": f"Bearer {secret}"} if (secret := os.environ.get("MLFLOW_TRACKING_TOKEN")) else {}
server = mlflow.get_tracking_uri()


def say(step: str, **facts: object) -> None:
    print(json.dumps({"step": step, **facts}), flush=True)


experiment = mlflow.set_experiment(f"agents {suffix}")
here = [experiment.experiment_id]


@mlflow.trace(span_type=SpanType.RETRIEVER)
def retrieve(question: str) -> list[Document]:
    return [Document(page_content=f"about {question}", metadata={"page": 7}), Document(page_content="é 日本")]


@mlflow.trace(name="answer", attributes={"temperature": 0.5, "tries": 3, "stop": ["a", "b"], "deep": {"on": True}})
def answer(question: str) -> dict:
    mlflow.update_current_trace(tags={"team": "kontor"}, metadata={"mlflow.trace.session": f"s-{suffix}"}, client_request_id=f"c-{suffix}")
    documents = retrieve(question)
    with mlflow.start_span("think", span_type=SpanType.LLM) as span:
        span.set_inputs({"messages": [{"role": "user", "content": question}]})
        span.add_event(mlflow.entities.SpanEvent(name="token", attributes={"n": 1}))
        span.set_outputs({"choices": [{"message": {"role": "assistant", "content": "because"}}]})
    return {"text": "because", "sources": len(documents)}


@mlflow.trace(name="broken")
def broken() -> None:
    raise ValueError("it is broken")


answer("why?")
answered = mlflow.get_last_active_trace_id()
try:
    broken()
except ValueError:
    pass
failed = mlflow.get_last_active_trace_id()
mlflow.flush_trace_async_logging()
local = {"names": ["answer", "retrieve", "think"]}

trace = mlflow.get_trace(answered)
assert trace.info.state == "OK" and trace.info.experiment_id == experiment.experiment_id, trace.info
assert [span.name for span in trace.data.spans] == local["names"], trace.data.spans
root, retrieved, thought = trace.data.spans
assert root.inputs == {"question": "why?"} and root.outputs == {"text": "because", "sources": 2}, root
assert root.attributes["temperature"] == 0.5 and root.attributes["tries"] == 3, root.attributes
assert root.attributes["stop"] == ["a", "b"] and root.attributes["deep"] == {"on": True}, root.attributes
assert retrieved.span_type == "RETRIEVER" and retrieved.parent_id == root.span_id
assert [page["page_content"] for page in retrieved.outputs] == ["about why?", "é 日本"], retrieved.outputs
assert thought.events[0].name == "token" and thought.events[0].attributes == {"n": 1}, thought.events
assert root.start_time_ns <= retrieved.start_time_ns < retrieved.end_time_ns <= root.end_time_ns
assert trace.info.request_preview == '{"question": "why?"}', trace.info.request_preview
assert trace.info.tags["team"] == "kontor" and trace.info.tags["mlflow.traceName"] == "answer", trace.info.tags
assert trace.info.client_request_id == f"c-{suffix}" and trace.info.trace_metadata["mlflow.trace.session"] == f"s-{suffix}"
assert json.loads(trace.info.trace_metadata["mlflow.trace.sizeStats"])["num_spans"] == 3
fault = mlflow.get_trace(failed)
assert fault.info.state == "ERROR" and "it is broken" in fault.data.spans[0].status.description, fault
assert fault.data.spans[0].events[0].name == "exception", fault.data.spans[0].events
say("traced", spans=len(trace.data.spans), duration_ms=trace.info.execution_duration)


def found(filter_string: str | None = None, **more: object) -> list[str]:
    return [item.info.trace_id for item in client.search_traces(locations=here, filter_string=filter_string, **more)]


assert found() == [failed, answered], "the newest first"
assert found(order_by=["timestamp ASC"]) == [answered, failed]
assert found("status = 'ERROR'") == [failed]
assert found("tags.team = 'kontor' AND name LIKE 'ans%'") == [answered]
assert found(f"metadata.`mlflow.trace.session` = 's-{suffix}'") == [answered]
assert found(f"trace.client_request_id = 'c-{suffix}'") == [answered]
assert found("span.type = 'RETRIEVER' AND span.name = 'retrieve'") == [answered]
assert found("span.type = 'LLM' AND span.name = 'retrieve'") == [], "one span must fit both"
assert found(f"timestamp > {trace.info.request_time} AND execution_time >= 0") == [failed]
table = mlflow.search_traces(locations=here, return_type="pandas")
assert sorted(table["trace_id"]) == sorted([answered, failed]) and "spans" in table.columns, table
pages, token = [], None
while True:
    page = client.search_traces(locations=here, max_results=1, page_token=token, include_spans=False)
    pages += [item.info.trace_id for item in page]
    token = page.token
    if not token:
        break
assert pages == [failed, answered], pages
say("searched", traces=len(table))

with mlflow.start_run() as run:
    retrieve("in a run")
    in_run = mlflow.get_last_active_trace_id()
mlflow.flush_trace_async_logging()
assert found(f"attributes.run_id = '{run.info.run_id}'") == [in_run]
client.link_traces_to_run([answered], run.info.run_id)
assert sorted(found(run_id=run.info.run_id)) == sorted([in_run, answered])
prompt = mlflow.genai.register_prompt(f"greeting-{suffix}", "Hello {{name}}")
client.link_prompt_versions_to_trace([prompt], answered)
for _ in range(50):
    if found(f"prompt = 'greeting-{suffix}/1'") == [answered]:
        break
    time.sleep(0.1)
else:
    raise AssertionError("the trace is not linked to the prompt")
say("linked", run=run.info.run_id)

person = AssessmentSource(source_type="HUMAN", source_id="bob@example.com")
first = mlflow.log_feedback(trace_id=answered, name="correctness", value=True, source=person, rationale="It is.", metadata={"round": "1"})
score = mlflow.log_feedback(trace_id=answered, name="score", value=0.75, span_id=thought.span_id)
mlflow.log_feedback(trace_id=answered, name="facets", value={"tone": "kind", "facts": [1, 2.5]})
mlflow.log_feedback(trace_id=answered, name="judged", error=ValueError("no judge"))
expected = mlflow.log_expectation(trace_id=answered, name="answer", value="because", source=person)
mlflow.log_expectation(trace_id=answered, name="facts", value={"of": ["a", "b"]})
second = mlflow.override_feedback(trace_id=answered, assessment_id=first.assessment_id, value=False, rationale="It is not.")
said = {item.assessment_id: item for item in mlflow.get_trace(answered).info.assessments}
assert len(said) == 7 and said[first.assessment_id].valid is False and said[second.assessment_id].valid is True, said
assert said[first.assessment_id].source.source_id == "bob@example.com" and said[first.assessment_id].metadata == {"round": "1"}
assert said[score.assessment_id].value == 0.75 and said[score.assessment_id].span_id == thought.span_id
assert {item.name: item.value for item in said.values()}["facets"] == {"tone": "kind", "facts": [1, 2.5]}
assert {item.name: item for item in said.values()}["judged"].error.error_message == "no judge"
assert {item.name: item.value for item in said.values()}["facts"] == {"of": ["a", "b"]}
assert found("feedback.score > 0.7") == [answered] and found("feedback.score > 0.8") == []
assert found("feedback.correctness = 'false'") == [answered] and found("feedback.correctness = 'true'") == []
assert found("expectation.answer = 'because'") == [answered]
mlflow.delete_assessment(trace_id=answered, assessment_id=second.assessment_id)
assert mlflow.get_assessment(answered, first.assessment_id).valid is True
changed = mlflow.update_assessment(
    trace_id=answered,
    assessment_id=first.assessment_id,
    assessment=Feedback(name="correctness", value=False, rationale="On second thoughts.", metadata={"round": "2"}),
)
assert changed.value is False and changed.rationale == "On second thoughts." and changed.metadata == {"round": "2"}, changed
assert changed.create_time_ms == first.create_time_ms and changed.last_update_time_ms >= first.last_update_time_ms
say("assessed", assessments=len(said))

client.set_trace_tag(answered, "reviewed", "yes")
assert client.get_trace(answered).info.tags["reviewed"] == "yes"
client.delete_trace_tag(answered, "reviewed")
assert "reviewed" not in client.get_trace(answered).info.tags


def refused(call, code: str, text: str) -> None:
    try:
        call()
    except MlflowException as error:
        assert error.error_code == code, (error.error_code, code)
        assert text in str(error), (str(error), text)
    else:
        raise AssertionError(f"not refused: {text}")


refused(lambda: client.delete_trace_tag(answered, "reviewed"), "RESOURCE_DOES_NOT_EXIST", "No trace tag with key 'reviewed'")
refused(lambda: client.get_trace("tr-none"), "RESOURCE_DOES_NOT_EXIST", "not found")
refused(lambda: found("foo = 'x'"), "INVALID_PARAMETER_VALUE", "Invalid attribute key 'foo'")
say("tagged")

span = {
    "traceId": "5b8aa5a2d2c872e8321cf37308d69df2" if suffix == "1" else "5b8aa5a2d2c872e8321cf37308d69df3",
    "spanId": "051581bf3cb55c13",
    "name": "from elsewhere",
    "startTimeUnixNano": "1785000000000000000",
    "endTimeUnixNano": "1785000000250000000",
    "status": {"code": 1},
    "attributes": [{"key": "mlflow.spanInputs", "value": {"stringValue": "hello"}}, {"key": "user.id", "value": {"stringValue": "u1"}}],
}
export = {"resourceSpans": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}, "scopeSpans": [{"spans": [span]}]}]}
headers = {"x-mlflow-experiment-id": experiment.experiment_id, **bearer}
assert requests.post(f"{server}/v1/traces", json=export, headers=headers).status_code == 200
foreign = mlflow.get_trace(f"tr-{span['traceId']}")
assert foreign.info.state == "OK" and foreign.info.execution_duration == 250, foreign.info
assert foreign.info.tags["service.name"] == "shop" and foreign.info.trace_metadata["mlflow.trace.user"] == "u1", foreign.info
assert foreign.data.spans[0].name == "from elsewhere" and foreign.data.spans[0].inputs == "hello", foreign.data.spans
file = requests.get(f"{server}/ajax-api/3.0/mlflow/get-trace-artifact", params={"request_id": answered}, headers=bearer)
assert [item["name"] for item in file.json()["spans"]] == local["names"], file.text
assert mlflow.entities.Span.from_dict(file.json()["spans"][0]).outputs == root.outputs
say("exported", spans=len(foreign.data.spans))

position = requests.get(f"{server}/api/3.0/mlflow/traces/{answered}", headers=bearer).headers["Kontor-Position"]
assert client.delete_traces(experiment.experiment_id, trace_ids=[answered]) == 1
assert answered not in found()
refused(lambda: client.get_trace(answered), "RESOURCE_DOES_NOT_EXIST", f"Trace with ID '{answered}' not found.")
before = {"Kontor-As-Of": position, **bearer}
past = requests.get(f"{server}/api/3.0/mlflow/traces/get", params={"trace_id": answered}, headers=before)
assert [item["name"] for item in past.json()["trace"]["spans"]] == local["names"], past.text
assert client.delete_traces(experiment.experiment_id, max_timestamp_millis=int(time.time() * 1000), max_traces=2) == 2
assert client.delete_traces(experiment.experiment_id, max_timestamp_millis=int(time.time() * 1000) + 1000) == 1
assert found() == []
say("deleted")
say("done")
