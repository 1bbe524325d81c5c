package aws

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/thinghub/thinghub/actions"
)

// DynamoDB writes the outgoing payload to one column of an item, up to 25 items in a call.
// It is the AWS action "dynamoDB". All texts but RoleARN may have templates.
//
// A payload that is JSON becomes a value of the table's types: objects M, arrays L, texts
// S, numbers N with all their digits, and BOOL and NULL. Any other payload becomes B. The
// items of a key are written in the order of the messages.
type DynamoDB struct {
	// RoleARN is the role that may dynamodb:BatchWriteItem, or dynamodb:PutItem alone, as
	// in AWS: then each item is a call. UPDATE needs dynamodb:UpdateItem besides, and DELETE
	// without batches dynamodb:DeleteItem.
	RoleARN   string `json:"roleArn,omitempty"`
	TableName string `json:"tableName"`
	// HashKeyField and HashKeyValue are the column and the value of the partition key.
	HashKeyField string `json:"hashKeyField"`
	HashKeyValue string `json:"hashKeyValue"`
	// HashKeyType is STRING, the default, or NUMBER.
	HashKeyType string `json:"hashKeyType,omitempty"`
	// RangeKeyField, RangeKeyValue and RangeKeyType are the same of the sort key, if the
	// table has one.
	RangeKeyField string `json:"rangeKeyField,omitempty"`
	RangeKeyValue string `json:"rangeKeyValue,omitempty"`
	RangeKeyType  string `json:"rangeKeyType,omitempty"`
	// PayloadField is the column of the payload. Default "payload".
	PayloadField string `json:"payloadField,omitempty"`
	// Operation is INSERT, the default, which writes the item anew, UPDATE, which sets
	// the column of the payload and keeps the others, or DELETE, which deletes the item.
	Operation string `json:"operation,omitempty"`
}

// DynamoDBv2 writes each member of the outgoing payload, which must be an object, to a
// column of its name, up to 25 items in a call. It is the AWS action "dynamoDBv2". Values
// are as in [DynamoDB].
type DynamoDBv2 struct {
	// RoleARN is the role that may dynamodb:DescribeTable, which tells what the key is, and
	// dynamodb:BatchWriteItem; or dynamodb:PutItem alone, as in AWS: then each item is a
	// call.
	RoleARN string     `json:"roleArn,omitempty"`
	PutItem DynamoItem `json:"putItem"`
}

// DynamoItem says where items go.
type DynamoItem struct {
	// TableName may have templates.
	TableName string `json:"tableName"`
}

const (
	dynamoEntries = 25
	dynamoBytes   = 12 << 20 // of a call, which may have 16 MB
	maxTable      = 255
)

// DynamoDB returns the action for a table, with the payload in one column.
func (s *Services) DynamoDB(p DynamoDB) actions.Action {
	return &dynamoAction{DynamoDB: p, at: s.at("dynamoDB", p.TableName, p.RoleARN)}
}

// DynamoDBv2 returns the action for a table, with a column for each member of the payload.
func (s *Services) DynamoDBv2(p DynamoDBv2) actions.Action {
	return &dynamoV2Action{DynamoDBv2: p, at: s.at("dynamoDBv2", p.PutItem.TableName, p.RoleARN)}
}

func readDynamoDB(p params) actions.Action {
	return p.services.DynamoDB(DynamoDB{
		RoleARN: p.role(), TableName: p.Need("tableName"),
		HashKeyField: p.Need("hashKeyField"), HashKeyValue: p.Need("hashKeyValue"), HashKeyType: p.Text("hashKeyType"),
		RangeKeyField: p.Text("rangeKeyField"), RangeKeyValue: p.Text("rangeKeyValue"), RangeKeyType: p.Text("rangeKeyType"),
		PayloadField: p.Text("payloadField"), Operation: p.Text("operation"),
	})
}

func readDynamoDBv2(p params) actions.Action {
	a := DynamoDBv2{RoleARN: p.role()}
	item, ok := p.Object.Object("putItem")
	a.PutItem.TableName = item.Need("tableName")
	if ok {
		_ = item.Done() // the error is that of p, too
	}
	return p.services.DynamoDBv2(a)
}

type dynamoAction struct {
	DynamoDB
	at
	alone atomic.Bool // the role may write single items only
}

// Kind is "dynamoDB".
func (*dynamoAction) Kind() string { return "dynamoDB" }

// Resource is the table.
func (a *dynamoAction) Resource(ev actions.Event) string { return resource(a.TableName, ev) }

// Params are all texts but the role.
func (a *dynamoAction) Params() []actions.Param {
	return []actions.Param{
		{Name: "tableName", Text: a.TableName},
		{Name: "hashKeyField", Text: a.HashKeyField},
		{Name: "hashKeyValue", Text: a.HashKeyValue},
		{Name: "hashKeyType", Text: a.HashKeyType, Optional: true},
		{Name: "rangeKeyField", Text: a.RangeKeyField, Optional: true},
		{Name: "rangeKeyValue", Text: a.RangeKeyValue, Optional: true},
		{Name: "rangeKeyType", Text: a.RangeKeyType, Optional: true},
		{Name: "payloadField", Text: a.PayloadField, Optional: true},
		{Name: "operation", Text: a.Operation, Optional: true},
	}
}

// Check reports what can be seen to be wrong before a message comes.
func (a *dynamoAction) Check() error {
	if err := checkName("tableName", a.TableName, maxTable); err != nil {
		return err
	}
	if a.HashKeyField == "" {
		return actions.WrongField("hashKeyField", "", "the name of the partition key")
	}
	if a.HashKeyValue == "" {
		return actions.WrongField("hashKeyValue", "", "the value of the partition key")
	}
	switch {
	case a.RangeKeyField == "" && a.RangeKeyValue != "":
		return actions.WrongField("rangeKeyField", "", "the name of the sort key, as there is rangeKeyValue")
	case a.RangeKeyField != "" && a.RangeKeyValue == "":
		return actions.WrongField("rangeKeyValue", "", "the value of the sort key, as there is rangeKeyField")
	case a.RangeKeyField == "" && a.RangeKeyType != "":
		return actions.WrongField("rangeKeyField", "", "the name of the sort key, as there is rangeKeyType")
	}
	var texts []string
	for _, p := range a.Params() {
		if text := p.Text; !templated(text) {
			texts = append(texts, text)
		} else if strings.HasSuffix(p.Name, "Value") {
			texts = append(texts, "0")
		} else if strings.HasSuffix(p.Name, "Field") {
			texts = append(texts, text)
		} else {
			texts = append(texts, "")
		}
	}
	if _, err := readItem(texts); err != nil {
		return err
	}
	return a.check()
}

// Batch is what BatchWriteItem takes.
func (a *dynamoAction) Batch() actions.Batch {
	return actions.Batch{
		Events: dynamoEntries, Bytes: dynamoBytes, AcrossTopics: true, Parallel: true, Key: byParam(a.TableName),
		Distinct: func(ev actions.Event) string {
			t, err := readItem(ev.Params)
			if err != nil {
				return ev.ID() // DoBatch says so
			}
			return keyOf(t.key(), t.fields())
		},
	}
}

// Do writes one item.
func (a *dynamoAction) Do(ctx context.Context, ev actions.Event) error { return one(ctx, a, ev) }

// DoBatch writes items to one table.
func (a *dynamoAction) DoBatch(ctx context.Context, evs []actions.Event) []error {
	c, err := client(a.services, a.role, func(c sdk.Config) *dynamodb.Client { return dynamodb.NewFromConfig(c) })
	if err != nil {
		return all(evs, err)
	}
	w := tableWriter{client: c, table: evs[0].Params[0], chosen: templated(a.TableName), alone: &a.alone, errs: make([]error, len(evs))}
	for i, ev := range evs {
		write, err := a.write(ev)
		if err != nil {
			w.errs[i] = err
			continue
		}
		write.event = i
		w.add(ctx, write)
	}
	w.flush(ctx)
	return w.errs
}

// write makes what is to be written for an event.
func (a *dynamoAction) write(ev actions.Event) (tableWrite, error) {
	t, err := readItem(ev.Params)
	if err != nil {
		return tableWrite{}, actions.Permanent(err)
	}
	key := t.key()
	w := tableWrite{key: keyOf(key, t.fields()), item: key, fields: t.fields(), operation: t.operation}
	if t.operation == opDelete {
		return w, nil
	}
	w.column = t.payloadField
	w.value = value(ev.Payload)
	if t.operation == opInsert {
		w.item[w.column] = w.value
	}
	return w, nil
}

// The operations.
const (
	opInsert = "INSERT"
	opUpdate = "UPDATE"
	opDelete = "DELETE"
)

// itemTexts are the rendered Params of an action "dynamoDB".
type itemTexts struct {
	hashField, hashValue, hashType    string
	rangeField, rangeValue, rangeType string
	payloadField, operation           string
}

// readItem checks rendered Params.
func readItem(params []string) (itemTexts, error) {
	t := itemTexts{
		hashField: params[1], hashValue: params[2], hashType: params[3],
		rangeField: params[4], rangeValue: params[5], rangeType: params[6],
		payloadField: params[7], operation: params[8],
	}
	if t.payloadField == "" {
		t.payloadField = "payload"
	}
	if t.operation == "" {
		t.operation = opInsert
	}
	switch t.operation {
	case opInsert, opUpdate, opDelete:
	default:
		return t, actions.WrongField("operation", t.operation, "INSERT, UPDATE or DELETE")
	}
	if err := checkKey("hashKey", t.hashValue, t.hashType); err != nil {
		return t, err
	}
	if t.rangeField == "" {
		if t.rangeValue != "" {
			return t, actions.WrongField("rangeKeyField", "", "the name of the sort key")
		}
	} else if err := checkKey("rangeKey", t.rangeValue, t.rangeType); err != nil {
		return t, err
	}
	switch t.payloadField {
	case t.hashField, t.rangeField:
		return t, actions.WrongField("payloadField", t.payloadField, "another column than that of a key")
	}
	if t.hashField == t.rangeField {
		return t, actions.WrongField("rangeKeyField", t.rangeField, "another column than that of the partition key")
	}
	return t, nil
}

func checkKey(name, text, kind string) error {
	switch kind {
	case "", "STRING":
		if text == "" {
			return actions.WrongField(name+"Value", "", "a text")
		}
	case "NUMBER":
		if _, ok := canonical(text); !ok {
			return actions.WrongField(name+"Value", text, "a number")
		}
	default:
		return actions.WrongField(name+"Type", kind, "STRING or NUMBER")
	}
	return nil
}

func (t itemTexts) fields() []string {
	if t.rangeField == "" {
		return []string{t.hashField}
	}
	return []string{t.hashField, t.rangeField}
}

func (t itemTexts) key() map[string]types.AttributeValue {
	m := map[string]types.AttributeValue{t.hashField: keyAttribute(t.hashValue, t.hashType)}
	if t.rangeField != "" {
		m[t.rangeField] = keyAttribute(t.rangeValue, t.rangeType)
	}
	return m
}

func keyAttribute(text, kind string) types.AttributeValue {
	if kind == "NUMBER" {
		return &types.AttributeValueMemberN{Value: text}
	}
	return &types.AttributeValueMemberS{Value: text}
}

type dynamoV2Action struct {
	DynamoDBv2
	at
	alone atomic.Bool // the role may write single items only
	keys  sync.Map    // of tables: the names of their key columns
}

// Kind is "dynamoDBv2".
func (*dynamoV2Action) Kind() string { return "dynamoDBv2" }

// Resource is the table.
func (a *dynamoV2Action) Resource(ev actions.Event) string {
	return resource(a.PutItem.TableName, ev)
}

// Params is the table.
func (a *dynamoV2Action) Params() []actions.Param {
	return []actions.Param{{Name: "putItem.tableName", Text: a.PutItem.TableName}}
}

// Check reports what can be seen to be wrong before a message comes.
func (a *dynamoV2Action) Check() error {
	if err := checkName("putItem.tableName", a.PutItem.TableName, maxTable); err != nil {
		return err
	}
	return a.check()
}

// Batch is what BatchWriteItem takes. Events with the same key may be in one: what that is
// only the table knows.
func (a *dynamoV2Action) Batch() actions.Batch {
	return actions.Batch{Events: dynamoEntries, Bytes: dynamoBytes, AcrossTopics: true, Parallel: true, Key: byParam(a.PutItem.TableName)}
}

// Do writes one item.
func (a *dynamoV2Action) Do(ctx context.Context, ev actions.Event) error { return one(ctx, a, ev) }

// DoBatch writes items to one table.
func (a *dynamoV2Action) DoBatch(ctx context.Context, evs []actions.Event) []error {
	c, err := client(a.services, a.role, func(c sdk.Config) *dynamodb.Client { return dynamodb.NewFromConfig(c) })
	if err != nil {
		return all(evs, err)
	}
	table, chosen := evs[0].Params[0], templated(a.PutItem.TableName)
	fields, known, err := a.keyFields(ctx, c, table)
	if err != nil {
		return all(evs, judge(err, chosen))
	}
	w := tableWriter{client: c, table: table, chosen: chosen, alone: &a.alone, errs: make([]error, len(evs))}
	for i, ev := range evs {
		v, ok := value(ev.Payload).(*types.AttributeValueMemberM)
		if !ok {
			w.errs[i] = actions.Permanent(errors.New("the payload is not a JSON object"))
			continue
		}
		item := v.Value
		err := checkItem(item, fields)
		if err != nil && known {
			// The table may have been made anew, with another key. It is asked once a batch.
			known = false
			w.flush(ctx)
			a.keys.Delete(table)
			if now, _, failed := a.keyFields(ctx, c, table); failed == nil {
				fields = now
				err = checkItem(item, fields)
			}
		}
		if err != nil {
			w.errs[i] = actions.Permanent(err)
			continue
		}
		w.add(ctx, tableWrite{event: i, key: keyOf(item, fields), item: item, fields: fields, operation: opInsert})
	}
	w.flush(ctx)
	return w.errs
}

// keyFields returns the names of the key columns of a table, and whether they were known
// before; none, with alone set, if the role may not ask.
func (a *dynamoV2Action) keyFields(ctx context.Context, c *dynamodb.Client, table string) (fields []string, known bool, err error) {
	if of, ok := a.keys.Load(table); ok {
		fields, _ = of.([]string)
		return fields, true, nil
	}
	if a.alone.Load() {
		return nil, false, nil
	}
	out, err := c.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &table})
	switch {
	case denied(err):
		a.alone.Store(true)
		return nil, false, nil
	case err != nil:
		return nil, false, err
	case out.Table == nil:
		return nil, false, errUnanswered
	}
	for _, e := range out.Table.KeySchema {
		fields = append(fields, sdk.ToString(e.AttributeName))
	}
	a.keys.Store(strings.Clone(table), fields)
	return fields, false, nil
}

// checkItem reports an item without the key.
func checkItem(item map[string]types.AttributeValue, fields []string) error {
	for _, f := range fields {
		switch item[f].(type) {
		case *types.AttributeValueMemberS, *types.AttributeValueMemberN:
		case nil:
			return errors.New("the payload has no " + clip(f, 80) + ", the key of the table")
		default:
			return errors.New("the payload has no text or number as " + clip(f, 80) + ", the key of the table")
		}
	}
	return nil
}

// A tableWrite is what is to be written for an event.
type tableWrite struct {
	event     int
	key       string // tells items apart
	fields    []string
	operation string
	item      map[string]types.AttributeValue // the whole one, or the key
	column    string
	value     types.AttributeValue
}

// A tableWriter writes to a table in order: calls are made of items with different keys,
// and after a write of a key that comes again no other write of it goes.
type tableWriter struct {
	client *dynamodb.Client
	table  string
	chosen bool
	alone  *atomic.Bool
	errs   []error

	part  []tableWrite
	held  map[string]error // of keys
	ended error            // no call is made any more
}

// add adds what is to be written next.
func (w *tableWriter) add(ctx context.Context, next tableWrite) {
	again := len(w.part) == dynamoEntries || next.operation == opUpdate
	for _, p := range w.part {
		again = again || p.key == next.key
	}
	if again {
		w.flush(ctx)
	}
	if err := w.held[next.key]; err != nil || w.ended != nil {
		if err == nil {
			err = w.ended
		}
		w.errs[next.event] = err
		return
	}
	if next.operation == opUpdate {
		w.note(next, w.single(ctx, next))
		return
	}
	w.part = append(w.part, next)
}

// flush writes what has been added.
func (w *tableWriter) flush(ctx context.Context) {
	part := w.part
	w.part = w.part[:0]
	if w.ended != nil {
		for _, p := range part {
			w.note(p, w.ended)
		}
		return
	}
	inBatches(len(part), w.alone, func(from, to int) error { return w.call(ctx, part[from:to]) },
		func(i int) error { return w.single(ctx, part[i]) },
		func(i int, err error) {
			w.note(part[i], err)
			if err != nil && !errors.Is(err, actions.ErrPermanent) {
				w.ended = err
			}
		})
}

// note keeps the error of a write.
func (w *tableWriter) note(of tableWrite, err error) {
	w.errs[of.event] = err
	if err != nil && !errors.Is(err, actions.ErrPermanent) {
		if w.held == nil {
			w.held = map[string]error{}
		}
		w.held[of.key] = err
	}
}

// errUnprocessed is that of an item that the table had no capacity for.
var errUnprocessed = errors.New("DynamoDB BatchWriteItem: the table did not process the item; it has no capacity for it at the moment")

// call writes several items.
func (w *tableWriter) call(ctx context.Context, part []tableWrite) error {
	requests := make([]types.WriteRequest, 0, len(part))
	for _, p := range part {
		if p.operation == opDelete {
			requests = append(requests, types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: p.item}})
		} else {
			requests = append(requests, types.WriteRequest{PutRequest: &types.PutRequest{Item: p.item}})
		}
	}
	out, err := w.client.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{w.table: requests}})
	if err != nil {
		return judge(err, w.chosen)
	}
	left := map[string]bool{}
	for _, requests := range out.UnprocessedItems { // of the one table, by its name or its ARN
		for _, r := range requests {
			switch {
			case r.PutRequest != nil:
				left[keyOf(r.PutRequest.Item, part[0].fields)] = true
			case r.DeleteRequest != nil:
				left[keyOf(r.DeleteRequest.Key, part[0].fields)] = true
			}
		}
	}
	for _, p := range part {
		if left[p.key] {
			w.note(p, errUnprocessed)
			delete(left, p.key)
		}
	}
	if len(left) > 0 {
		return errUnanswered // an item that was not sent; all may come again
	}
	return nil
}

// single writes one item.
func (w *tableWriter) single(ctx context.Context, p tableWrite) (err error) {
	switch p.operation {
	case opInsert:
		_, err = w.client.PutItem(ctx, &dynamodb.PutItemInput{TableName: &w.table, Item: p.item})
	case opDelete:
		_, err = w.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &w.table, Key: p.item})
	case opUpdate:
		_, err = w.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: &w.table, Key: p.item, UpdateExpression: sdk.String("SET #c = :v"),
			ExpressionAttributeNames:  map[string]string{"#c": p.column},
			ExpressionAttributeValues: map[string]types.AttributeValue{":v": p.value},
		})
	}
	return judge(err, w.chosen)
}

// value makes a value of a payload: of its JSON, or of its bytes if it is none.
func value(payload []byte) types.AttributeValue {
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	var v any
	if d.Decode(&v) == nil {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return attribute(v)
		}
	}
	return &types.AttributeValueMemberB{Value: bytes.Clone(payload)}
}

func attribute(v any) types.AttributeValue {
	switch v := v.(type) {
	case string:
		return &types.AttributeValueMemberS{Value: v}
	case json.Number:
		return &types.AttributeValueMemberN{Value: v.String()}
	case bool:
		return &types.AttributeValueMemberBOOL{Value: v}
	case []any:
		l := make([]types.AttributeValue, len(v))
		for i, item := range v {
			l[i] = attribute(item)
		}
		return &types.AttributeValueMemberL{Value: l}
	case map[string]any:
		m := make(map[string]types.AttributeValue, len(v))
		for name, item := range v {
			m[name] = attribute(item)
		}
		return &types.AttributeValueMemberM{Value: m}
	}
	return &types.AttributeValueMemberNULL{Value: true}
}
