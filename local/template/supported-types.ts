/**
 * The closed list of what the platform runs: resource types, and of each the properties. To support more, act
 * on it somewhere and add it here; what has no local effect says why.
 */
import { bucketShape } from "./bucket-shape.ts";
import { acts, each, fields, noEffect, type Shape, values } from "./shapes.ts";

const tags = noEffect("a label for bills and people");
const encrypted = noEffect("encryption at rest does not change what a caller sees");
const label = noEffect("a text for people");
const recovery = noEffect("backups are a matter of the cloud's storage");
const protection = noEffect("guards a stack against deletion");
const observed = noEffect("monitoring in the cloud");

const globalIndexes = each(
  fields({
    IndexName: acts,
    KeySchema: acts,
    Projection: acts,
    ContributorInsightsSpecification: observed,
    OnDemandThroughput: noEffect("throttling of on-demand capacity"),
    WarmThroughput: noEffect("throttling of on-demand capacity"),
  }),
);

const tableFields = {
  TableName: acts,
  KeySchema: acts,
  AttributeDefinitions: acts,
  BillingMode: values("PAY_PER_REQUEST"),
  GlobalSecondaryIndexes: globalIndexes,
  TimeToLiveSpecification: fields({ AttributeName: acts, Enabled: acts }),
  SSESpecification: encrypted,
  WarmThroughput: noEffect("throttling of on-demand capacity"),
};

const replica = fields({
  Region: acts,
  ContributorInsightsSpecification: observed,
  DeletionProtectionEnabled: protection,
  PointInTimeRecoverySpecification: recovery,
  SSESpecification: encrypted,
  TableClass: noEffect("a price class"),
  Tags: tags,
  GlobalSecondaryIndexes: each(
    fields({ IndexName: noEffect("settings of one replica"), ContributorInsightsSpecification: observed }),
  ),
});

const alarm = noEffect("alarms need CloudWatch's metrics");

const unfolded = (names: readonly string[], shape: Shape): Record<string, Shape> =>
  Object.fromEntries(names.map((name) => [name, shape]));

/** Every type the platform knows, with what it does with each property. */
export const supportedTypes: Readonly<Record<string, Readonly<Record<string, Shape>>>> = {
  "AWS::ApiGatewayV2::Api": {
    Name: label,
    Description: label,
    ProtocolType: values("WEBSOCKET"),
    RouteSelectionExpression: acts,
    Tags: tags,
  },
  "AWS::ApiGatewayV2::Stage": {
    ApiId: acts,
    StageName: acts,
    AutoDeploy: acts,
    DeploymentId: acts,
    Description: label,
    AccessLogSettings: observed,
    DefaultRouteSettings: fields({
      DataTraceEnabled: observed,
      DetailedMetricsEnabled: observed,
      LoggingLevel: observed,
      ThrottlingBurstLimit: acts,
      ThrottlingRateLimit: acts,
    }),
    Tags: tags,
  },
  "AWS::ApiGatewayV2::Deployment": { ApiId: acts, Description: label },
  "AWS::ApiGatewayV2::Route": {
    ApiId: acts,
    RouteKey: acts,
    Target: acts,
    AuthorizationType: values("NONE", "CUSTOM"),
    AuthorizerId: acts,
    RouteResponseSelectionExpression: values("$default"),
    ApiKeyRequired: values(false),
    OperationName: label,
  },
  "AWS::ApiGatewayV2::RouteResponse": { ApiId: acts, RouteId: acts, RouteResponseKey: values("$default") },
  "AWS::ApiGatewayV2::Integration": {
    ApiId: acts,
    IntegrationType: values("AWS_PROXY", "MOCK"),
    IntegrationUri: acts,
    IntegrationMethod: noEffect("Lambda is always called by POST"),
    TimeoutInMillis: acts,
    RequestTemplates: acts,
    TemplateSelectionExpression: acts,
    PassthroughBehavior: noEffect("every request of a mock has a template"),
    Description: label,
  },
  "AWS::ApiGatewayV2::IntegrationResponse": {
    ApiId: acts,
    IntegrationId: acts,
    IntegrationResponseKey: acts,
    ResponseTemplates: acts,
    TemplateSelectionExpression: acts,
  },
  "AWS::ApiGatewayV2::Authorizer": {
    ApiId: acts,
    Name: label,
    AuthorizerType: values("REQUEST"),
    AuthorizerUri: acts,
    IdentitySource: acts,
    AuthorizerResultTtlInSeconds: values(0),
  },
  "AWS::Lambda::Function": {
    FunctionName: acts,
    Handler: acts,
    Runtime: values("nodejs24.x"),
    Code: fields({ S3Bucket: noEffect("the asset is read from its folder"), S3Key: acts }),
    Environment: fields({ Variables: acts }),
    Role: acts,
    Timeout: acts,
    MemorySize: acts,
    ReservedConcurrentExecutions: acts,
    Architectures: noEffect("JavaScript runs on either"),
    Description: label,
    EphemeralStorage: noEffect("the size of /tmp is not held"),
    LoggingConfig: fields({
      LogGroup: acts,
      LogFormat: acts,
      ApplicationLogLevel: values("TRACE", "DEBUG", "INFO"),
      SystemLogLevel: noEffect("Lambda's own lines"),
    }),
    RecursiveLoop: noEffect("loop detection of the cloud"),
    RuntimeManagementConfig: noEffect("the machine's Node runs it"),
    KmsKeyArn: encrypted,
    TracingConfig: observed,
    Tags: tags,
  },
  "AWS::Lambda::Permission": {
    Action: values("lambda:InvokeFunction"),
    FunctionName: acts,
    Principal: acts,
    SourceArn: acts,
    SourceAccount: acts,
  },
  "AWS::Lambda::EventSourceMapping": {
    EventSourceArn: acts,
    FunctionName: acts,
    BatchSize: acts,
    MaximumBatchingWindowInSeconds: acts,
    FilterCriteria: fields({ Filters: each(fields({ Pattern: acts })) }),
    FunctionResponseTypes: each(values("ReportBatchItemFailures")),
    StartingPosition: values("TRIM_HORIZON", "LATEST"),
    MaximumRetryAttempts: acts,
    MaximumRecordAgeInSeconds: acts,
    BisectBatchOnFunctionError: acts,
    ParallelizationFactor: acts,
    DestinationConfig: fields({ OnFailure: fields({ Destination: acts }) }),
    ScalingConfig: fields({ MaximumConcurrency: acts }),
    TumblingWindowInSeconds: values(0),
    Enabled: values(true),
    MetricsConfig: observed,
    KmsKeyArn: encrypted,
    Tags: tags,
  },
  "AWS::DynamoDB::Table": {
    ...tableFields,
    StreamSpecification: fields({ StreamViewType: acts }),
    ContributorInsightsSpecification: observed,
    DeletionProtectionEnabled: protection,
    OnDemandThroughput: noEffect("throttling of on-demand capacity"),
    PointInTimeRecoverySpecification: recovery,
    TableClass: noEffect("a price class"),
    Tags: tags,
  },
  "AWS::DynamoDB::GlobalTable": {
    ...tableFields,
    StreamSpecification: fields({ StreamViewType: acts }),
    Replicas: each(replica),
    WriteOnDemandThroughputSettings: noEffect("throttling of on-demand capacity"),
  },
  "AWS::SQS::Queue": {
    QueueName: acts,
    VisibilityTimeout: acts,
    ReceiveMessageWaitTimeSeconds: acts,
    DelaySeconds: acts,
    MessageRetentionPeriod: acts,
    MaximumMessageSize: acts,
    RedrivePolicy: fields({ deadLetterTargetArn: acts, maxReceiveCount: acts }),
    RedriveAllowPolicy: noEffect("which queues may use this one for dead letters"),
    FifoQueue: acts,
    ContentBasedDeduplication: acts,
    DeduplicationScope: values("queue", "messageGroup"),
    FifoThroughputLimit: values("perQueue", "perMessageGroupId"),
    KmsMasterKeyId: encrypted,
    KmsDataKeyReusePeriodSeconds: encrypted,
    SqsManagedSseEnabled: encrypted,
    Tags: tags,
  },
  "AWS::SQS::QueuePolicy": { Queues: acts, PolicyDocument: acts },
  "AWS::S3::Bucket": bucketShape,
  "AWS::S3::BucketPolicy": { Bucket: acts, PolicyDocument: acts },
  "AWS::IAM::Role": {
    RoleName: acts,
    AssumeRolePolicyDocument: acts,
    ManagedPolicyArns: acts,
    Policies: acts,
    Description: label,
    MaxSessionDuration: noEffect("local credentials do not expire"),
    Tags: tags,
  },
  "AWS::IAM::Policy": { PolicyName: label, PolicyDocument: acts, Roles: acts },
  "AWS::IAM::ManagedPolicy": {
    ManagedPolicyName: acts,
    Description: label,
    PolicyDocument: acts,
    Roles: acts,
    Path: label,
  },
  "AWS::Logs::LogGroup": {
    LogGroupName: acts,
    LogGroupClass: noEffect("a price class"),
    RetentionInDays: noEffect("the local log is not kept for days"),
    DeletionProtectionEnabled: protection,
    KmsKeyId: encrypted,
    Tags: tags,
  },
  "AWS::Logs::MetricFilter": unfolded(
    ["ApplyOnTransformedLogs", "FilterName", "FilterPattern", "LogGroupName", "MetricTransformations"],
    noEffect("nobody counts what a local log says"),
  ),
  "AWS::CloudWatch::Alarm": unfolded(
    [
      "ActionsEnabled",
      "AlarmActions",
      "AlarmDescription",
      "AlarmName",
      "ComparisonOperator",
      "DatapointsToAlarm",
      "Dimensions",
      "EvaluateLowSampleCountPercentile",
      "EvaluationPeriods",
      "ExtendedStatistic",
      "InsufficientDataActions",
      "MetricName",
      "Metrics",
      "Namespace",
      "OKActions",
      "Period",
      "Statistic",
      "Tags",
      "Threshold",
      "TreatMissingData",
      "Unit",
    ],
    alarm,
  ),
  "AWS::CloudWatch::Dashboard": { DashboardName: alarm, DashboardBody: alarm },
  "AWS::KMS::Key": {
    ...unfolded(
      ["Description", "Enabled", "EnableKeyRotation", "RotationPeriodInDays", "PendingWindowInDays"],
      encrypted,
    ),
    ...unfolded(["KeyPolicy", "KeySpec", "KeyUsage", "MultiRegion", "Tags"], encrypted),
  },
  "AWS::KMS::Alias": { AliasName: acts, TargetKeyId: encrypted },
  "AWS::CDK::Metadata": { Analytics: label },
};
