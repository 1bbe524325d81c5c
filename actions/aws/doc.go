// Package aws has the actions of AWS IoT rules that go to services of AWS, with the JSON
// that AWS writes in the TopicRulePayload of a rule: Kinesis, Firehose, DynamoDB, S3, SQS,
// SNS, Lambda, CloudWatch, Step Functions and Timestream. EventBridge and SageMaker are
// this hub's own, and so are FIFO queues and topics.
//
// A host makes [Services] of its configuration of the AWS SDK, once for each account and
// region, and gives rules written as JSON the means to use them:
//
//	cfg, err := config.LoadDefaultConfig(ctx)
//	services, err := aws.New(aws.Config{
//		SDK:   cfg,
//		Roles: map[string]sdk.CredentialsProvider{"arn:aws:iam::123456789012:role/rules": cfg.Credentials},
//	})
//	hub, err := thinghub.New(thinghub.Config{RuleConfig: rules.Config{Kinds: aws.Kinds(services)}})
//
// A rule then has
//
//	{"sqs": {"roleArn": "arn:aws:iam::123456789012:role/rules", "queueUrl": "https://sqs..."}}
//
// and a rule in Go the action that a method of Services makes of the parameters, such as
// [Services.SQS]. Nothing of AWS is called before the first message, so a hub starts while
// AWS cannot be reached.
//
// # Roles
//
// AWS assumes the role of an action, roleArn. Here the host says which credentials each
// role stands for: in Config.Roles, or in Config.Role, for which there are [AssumeRole],
// which assumes it as AWS does, and [HostRole], which gives all of them the credentials of
// the host. A role that the host does not know refuses the rule. JSON must name a role, as
// in AWS, unless Config.OptionalRole is set; an action made in Go may leave it out, and has
// the credentials of the host. (Such an action, stored as JSON, is read again only with
// Config.OptionalRole.)
//
// Roles that were made for the rules of AWS may make the single calls only: PutRecord and
// PutItem. They work, one message in a call, until the rule is put again. For batches they
// need:
//
//	kinesis           kinesis:PutRecords
//	firehose          firehose:PutRecordBatch
//	dynamoDB          dynamodb:BatchWriteItem; UPDATE: dynamodb:UpdateItem
//	dynamoDBv2        dynamodb:BatchWriteItem, dynamodb:DescribeTable
//	cloudwatchMetric  cloudwatch:PutMetricData
//	cloudwatchLogs    logs:PutLogEvents, logs:CreateLogStream
//	eventBridge       events:PutEvents
//	timestream        timestream:WriteRecords, timestream:DescribeEndpoints
//	sageMaker         sagemaker:InvokeEndpoint
//	sqs, sns, s3, lambda, stepFunctions, cloudwatchAlarm: as in AWS
//
// # What comes back
//
// The SDK tries once: it is the rules engine that retries ([actions.SinkRetry]), and a
// circuit breaker for each kind, resource and role that keeps it from trying what is down
// ([actions.Sinked]). What passes is tried again: no connection, no answer in time,
// throttling, 429 and 5xx, and credentials of the host that have run out or cannot be had.
// So are a resource that is missing and an access that is denied, which AWS would drop: the
// configuration is wrong, for all messages alike, so they wait in the queue of the rule
// until it is mended, and the health of the sink says why. But if the resource has a
// template, or the key of an object when S3 denies it, then a message has chosen it, and
// that is for good: no device holds up the others. For good, too, is what a service refuses
// of a message: too large, no key, not valid. Such a message is found among those of its
// call, by halves, and fails alone.
//
// # Guarantees
//
//	kind              in a call                order                     sent twice
//	kinesis           500 records, 5 MiB       of a partition key        arrives twice
//	firehose          500 records, 4 MiB       within what is taken      arrives twice
//	dynamoDB          25 items                 of an item                overwrites itself
//	dynamoDBv2        25 items                 of an item                overwrites itself
//	s3                1; 16 calls at once      of an object              overwrites itself
//	sqs               10 messages, 1 MiB       none                      arrives twice
//	sqs, FIFO         10 messages, 1 MiB       of a group                once in 5 minutes
//	sns               10 messages, 256 KiB     none                      arrives twice
//	sns, FIFO         10 messages, 256 KiB     of a group                once in 5 minutes
//	lambda            1                        none, in AWS              runs twice
//	cloudwatchMetric  1000 samples             by time                   counts twice
//	cloudwatchAlarm   1                        of a topic                the same state
//	cloudwatchLogs    10,000 lines, 1 MiB      by time                   there twice
//	stepFunctions     1                        of a topic                once, by its name
//	eventBridge       10 events                none, in AWS              arrives twice
//	timestream        100 records              records have times        overwrites itself
//	sageMaker         1                        of a topic                asked twice
//
// All of that is within the lanes of a rule: those of a topic, or of a client if the rule
// says so (rules.Delivery.Order). A message is done when the service has said that it has
// it; one whose answer is lost is sent again. Where a service may take one of a call and
// refuse an earlier one, a call has each key once: the partition key, the group, the item,
// the object. A stream with the partition key "${topic()}" so takes one record of each
// topic in a call; leave the key out where order does not matter.
//
// A FIFO queue or topic gets as deduplication id [actions.Event.ID], which stays the same
// over retries, and as group the topic.
//
// # Functions of the rule language
//
// [Services.Externals] is what aws_lambda, get_dynamodb and machinelearning_predict stand
// on, the last with models of SageMaker; the host gives it to the engine as
// rules.Config.Externals, and says of each [Model] whether it takes JSON or CSV. These
// calls are made while the message is evaluated, once, and have no circuit breaker.
//
// # What devices bring in
//
// Names, keys and ids that a template has made are checked before a call: a device chooses
// no other bucket, no path of dots in an object's key, and nothing longer than the service
// takes. Payloads are values, never parts of an expression. Errors have the text of the
// service, shortened, but never that of a signature that did not match, which can repeat a
// session token.
//
// # Servers other than those of AWS
//
// Config.SDK.BaseEndpoint names one; Config.S3PathStyle is what most of them need for S3.
// The tests of this package run against moto.
package aws
