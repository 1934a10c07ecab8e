/* oxlint-disable no-new -- a construct adds itself to its scope */
import { App } from "aws-cdk-lib";
import { defaultStageName, stageConfig, withContext } from "../lib/config.ts";
import { TidingsStack } from "../lib/tidings-stack.ts";

const app = new App();
const context = (name: string): unknown => app.node.tryGetContext(name);
const stage = withContext(stageConfig(String(context("stage") ?? defaultStageName)), context);
new TidingsStack(app, `Tidings-${stage.stageName}`, { stage });
app.synth();
