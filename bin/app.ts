/* oxlint-disable no-new -- a construct adds itself to its scope */
import { App } from "aws-cdk-lib";
import { defaultStageName, stageConfig } from "../lib/config.ts";
import { TidingsStack } from "../lib/tidings-stack.ts";

const app = new App();
const stage = stageConfig(String(app.node.tryGetContext("stage") ?? defaultStageName));
new TidingsStack(app, `Tidings-${stage.stageName}`, { stage });
app.synth();
