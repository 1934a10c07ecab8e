/* oxlint-disable no-new -- a construct adds itself to its scope */
import { Duration } from "aws-cdk-lib";
import { Alarm, ComparisonOperator, type IMetric, TreatMissingData } from "aws-cdk-lib/aws-cloudwatch";
import { SnsAction } from "aws-cdk-lib/aws-cloudwatch-actions";
import type { ITopic } from "aws-cdk-lib/aws-sns";
import type { IQueue } from "aws-cdk-lib/aws-sqs";
import type { Construct } from "constructs";
import type { ChatFunction } from "./chat-function.ts";

export interface AboveAlarmProps {
  /** What it means and what to do, for whoever it wakes. */
  readonly description: string;
  readonly metric: IMetric;
  /** Rings when one period of the metric is above it. No data is no alarm. */
  readonly threshold: number;
  /** @default - it calls nobody */
  readonly topic?: ITopic | undefined;
}

/** Rings as soon as one period of a metric is above the threshold, and tells the topic of that and of its end. */
export class AboveAlarm extends Alarm {
  constructor(scope: Construct, id: string, props: AboveAlarmProps) {
    super(scope, id, {
      alarmDescription: props.description,
      metric: props.metric,
      threshold: props.threshold,
      comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
      evaluationPeriods: 1,
      treatMissingData: TreatMissingData.NOT_BREACHING,
    });
    if (props.topic !== undefined) {
      const action = new SnsAction(props.topic);
      this.addAlarmAction(action);
      this.addOkAction(action);
    }
  }
}

/** Rings while anything lies in the queue. */
export function alarmWhenNotEmpty(queue: IQueue, id: string, description: string, topic?: ITopic): void {
  const metric = queue.metricApproximateNumberOfMessagesVisible({
    period: Duration.minutes(1),
    statistic: "Maximum",
  });
  new AboveAlarm(queue, id, { description, metric, threshold: 0, topic });
}

/** Rings after any failed invocation: a throw, a timeout, a function that could not start. */
export function alarmOnErrors(of: ChatFunction, description: string, topic?: ITopic): void {
  const metric = of.function.metricErrors({ period: Duration.minutes(5), statistic: "Sum" });
  new AboveAlarm(of, "Errors", { description, metric, threshold: 0, topic });
}
