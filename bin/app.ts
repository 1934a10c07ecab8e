/* oxlint-disable no-new -- a construct adds itself to its scope */
import { App } from "aws-cdk-lib";
import { defaultStageName, stageConfig, withContext } from "../lib/config.ts";
import { TidingsStack } from "../lib/tidings-stack.ts";

const app = new App();
const stageName: unknown = app.node.tryGetContext("stage");
const chosen = stageConfig(typeof stageName === "string" ? stageName : defaultStageName);
const stage = withContext(chosen, (name): unknown => app.node.tryGetContext(name));
new TidingsStack(app, `Tidings-${stage.stageName}`, { stage });
app.synth();
