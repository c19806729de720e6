import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.mlflow.api.proto.ModelRegistry.ModelVersion;
import org.mlflow.api.proto.Service.Experiment;
import org.mlflow.api.proto.Service.Metric;
import org.mlflow.api.proto.Service.Param;
import org.mlflow.api.proto.Service.Run;
import org.mlflow.api.proto.Service.RunInfo;
import org.mlflow.api.proto.Service.RunStatus;
import org.mlflow.api.proto.Service.RunTag;
import org.mlflow.api.proto.Service.ViewType;
import org.mlflow.tracking.MlflowClient;
import org.mlflow.tracking.MlflowHttpException;
import org.mlflow.tracking.Page;

/** What a Java service does with the unmodified MLflow client. MLFLOW_TRACKING_URI says where; any failure ends it with 1. */
public class Client {
  static void check(boolean holds, Object seen) {
    if (!holds) throw new AssertionError(String.valueOf(seen));
  }

  static void refused(String code, Runnable call) {
    try {
      call.run();
    } catch (MlflowHttpException refusal) {
      check(refusal.getBodyMessage().contains(code), refusal.getBodyMessage());
      return;
    }
    throw new AssertionError("nothing refused: " + code);
  }

  public static void main(String[] arguments) {
    MlflowClient client = new MlflowClient(System.getenv("MLFLOW_TRACKING_URI"));
    String experimentId = client.createExperiment("of java");
    Experiment experiment = client.getExperiment(experimentId);
    check(experiment.getName().equals("of java"), experiment);
    check(client.getExperimentByName("of java").isPresent(), "by name");
    check(client.getExperimentByName("nobody's").equals(Optional.empty()), "absent");
    client.setExperimentTag(experimentId, "team", "java");
    client.renameExperiment(experimentId, "of Java");

    List<String> ids = new ArrayList<>();
    for (int made = 0; made < 3; made++) {
      RunInfo info = client.createRun(experimentId);
      ids.add(info.getRunId());
      client.logParam(info.getRunId(), "depth", String.valueOf(made));
      client.logMetric(info.getRunId(), "loss", 1.0 - 0.1 * made, 1L, 0L);
      client.logMetric(info.getRunId(), "loss", 0.5 - 0.1 * made, 2L, 1L);
      client.setTag(info.getRunId(), "team", "java");
    }
    String runId = ids.get(0);
    client.logBatch(
        runId,
        Arrays.asList(Metric.newBuilder().setKey("auc").setValue(Double.NaN).setTimestamp(1).setStep(1L << 40).build()),
        Arrays.asList(Param.newBuilder().setKey("rate").setValue("0.1").build()),
        Arrays.asList(RunTag.newBuilder().setKey("note").setValue("é").build()));
    client.setTerminated(runId, RunStatus.FAILED, 5L);
    Run run = client.getRun(runId);
    check(run.getInfo().getStatus() == RunStatus.FAILED && run.getInfo().getEndTime() == 5L, run);
    check(run.getData().getParamsCount() == 2, run);
    check(client.getMetricHistory(runId, "loss").size() == 2, "history");
    Metric auc = client.getMetricHistory(runId, "auc").get(0);
    check(Double.isNaN(auc.getValue()) && auc.getStep() == 1L << 40, auc);

    Page<Run> page =
        client.searchRuns(
            Arrays.asList(experimentId), "metrics.loss < 0.45", ViewType.ACTIVE_ONLY, 1, Arrays.asList("metrics.loss DESC"));
    List<String> found = new ArrayList<>();
    for (; ; page = page.getNextPage()) {
      for (Run item : page.getItems()) found.add(item.getInfo().getRunId());
      if (!page.hasNextPage()) break;
    }
    check(found.equals(Arrays.asList(ids.get(1), ids.get(2))), found);

    client.deleteRun(runId);
    check(client.listRunInfos(experimentId).size() == 2, "deleted");
    client.restoreRun(runId);
    check(client.listRunInfos(experimentId).size() == 3, "restored");

    client.sendPost("registered-models/create", "{\"name\": \"of java\"}");
    for (int made = 0; made < 2; made++)
      client.sendPost("model-versions/create", "{\"name\": \"of java\", \"source\": \"s3://bucket/model\"}");
    check(client.getRegisteredModel("of java").getLatestVersionsCount() == 1, "latest of one stage");
    List<ModelVersion> latest = client.getLatestVersions("of java");
    check(latest.size() == 1 && latest.get(0).getVersion().equals("2"), latest);
    check(client.getModelVersion("of java", "1").getSource().equals("s3://bucket/model"), "version");
    int versions = 0;
    for (ModelVersion version : client.searchModelVersions("name = 'of java'").getItems()) versions += 1;
    check(versions == 2, versions);

    refused("RESOURCE_DOES_NOT_EXIST", () -> client.getRun("0"));
    refused("INVALID_PARAMETER_VALUE", () -> client.logParam(runId, "depth", "9"));
    refused("RESOURCE_ALREADY_EXISTS", () -> client.createExperiment("of Java"));
    client.deleteExperiment(experimentId);
    check(client.getExperiment(experimentId).getLifecycleStage().equals("deleted"), "lifecycle");
    client.restoreExperiment(experimentId);
    System.out.println("{\"step\": \"done\"}");
  }
}
