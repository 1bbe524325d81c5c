package aws

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/sinktest"
	"github.com/thinghub/thinghub/internal/servertest"
)

// newItems makes a table with a partition key of texts and a sort key of numbers.
func newItems(tb testing.TB, hash, sort string) string {
	tb.Helper()
	c, name := dynamodb.NewFromConfig(sdkConfig(servertest.Moto(tb))), unique(tb)
	_, err := c.CreateTable(context.Background(), &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: &hash, AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: &sort, AttributeType: types.ScalarAttributeTypeN},
		},
		KeySchema: []types.KeySchemaElement{
			{AttributeName: &hash, KeyType: types.KeyTypeHash},
			{AttributeName: &sort, KeyType: types.KeyTypeRange},
		},
	})
	require.NoError(tb, err)
	return name
}

// scan returns the items of a table by their keys, as the SDK has their values.
func scan(tb testing.TB, table string) (items []map[string]types.AttributeValue) {
	tb.Helper()
	c := dynamodb.NewFromConfig(sdkConfig(servertest.Moto(tb)))
	pages := dynamodb.NewScanPaginator(c, &dynamodb.ScanInput{TableName: &table})
	for pages.HasMorePages() {
		page, err := pages.NextPage(context.Background())
		require.NoError(tb, err)
		items = append(items, page.Items...)
	}
	return items
}

// item returns the one item of a table with a sort key.
func item(tb testing.TB, table, sort, value string) map[string]types.AttributeValue {
	tb.Helper()
	var found []map[string]types.AttributeValue
	for _, it := range scan(tb, table) {
		if n, ok := it[sort].(*types.AttributeValueMemberN); ok && n.Value == value {
			found = append(found, it)
		}
	}
	require.Len(tb, found, 1, "%s = %s", sort, value)
	return found[0]
}

func numeral(text string) types.AttributeValue { return &types.AttributeValueMemberN{Value: text} }
func text(t string) types.AttributeValue       { return &types.AttributeValueMemberS{Value: t} }

func TestDynamoDB(t *testing.T) {
	s := open(t, servertest.Moto(t), nil)
	table := newItems(t, "device", "seq")
	a := requireDecode(t, s, fmt.Sprintf(`{"dynamoDB":{"roleArn":%q,"tableName":%q,"hashKeyField":"device","hashKeyValue":"${topic(2)}",
		"rangeKeyField":"seq","rangeKeyValue":"${seq}","rangeKeyType":"NUMBER","payloadField":"data","operation":"${op}"}}`, testRole, table))
	do := func(t *testing.T, topic, payload, seq, op string) error {
		t.Helper()
		return a.Do(t.Context(), event(t, a, topic, payload, seq, op))
	}
	t.Run("values", func(t *testing.T) {
		require.NoError(t, do(t, "dt/pump", `{"a":31.750,"big":12345678901234567890123,"neg":-1e-7,"s":"ü","t":true,"z":null,"l":[1,"x",{}],"e":""}`, "1", "INSERT"))
		it := item(t, table, "seq", "1")
		require.Equal(t, text("pump"), it["device"])
		m := it["data"].(*types.AttributeValueMemberM).Value
		require.Equal(t, numeral("12345678901234567890123"), m["big"], "no digit is lost")
		require.Contains(t, []types.AttributeValue{numeral("31.750"), numeral("31.75")}, m["a"])
		require.Equal(t, text("ü"), m["s"])
		require.Equal(t, text(""), m["e"])
		require.Equal(t, &types.AttributeValueMemberBOOL{Value: true}, m["t"])
		require.Equal(t, &types.AttributeValueMemberNULL{Value: true}, m["z"])
		require.Equal(t, &types.AttributeValueMemberL{Value: []types.AttributeValue{
			numeral("1"), text("x"), &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{}},
		}}, m["l"])
		require.NoError(t, do(t, "dt/pump", "\x00\xff", "2", ""))
		require.Equal(t, &types.AttributeValueMemberB{Value: []byte("\x00\xff")}, item(t, table, "seq", "2")["data"])
		require.NoError(t, do(t, "dt/pump", `"text"`, "3", ""))
		require.Equal(t, text("text"), item(t, table, "seq", "3")["data"])
		require.NoError(t, do(t, "dt/pump", `{"a":1} {"a":2}`, "4", ""))
		require.IsType(t, &types.AttributeValueMemberB{}, item(t, table, "seq", "4")["data"])
	})
	t.Run("operations", func(t *testing.T) {
		c := dynamodb.NewFromConfig(sdkConfig(servertest.Moto(t)))
		_, err := c.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: map[string]types.AttributeValue{
			"device": text("x"), "seq": numeral("10"), "other": text("stays"), "data": text("old"),
		}})
		require.NoError(t, err)
		// In one batch, in their order.
		well(t, batch(t, a, []actions.Event{
			event(t, a, "dt/x", `"new"`, "10", "UPDATE"),
			event(t, a, "dt/x", `"made"`, "11", "UPDATE"),
			event(t, a, "dt/x", `"short-lived"`, "12", "INSERT"),
			event(t, a, "dt/x", ``, "12", "DELETE"),
			event(t, a, "dt/x", `"first"`, "13", "INSERT"),
			event(t, a, "dt/x", `"second"`, "13.0", "INSERT"),
			event(t, a, "dt/x", ``, "99", "DELETE"),
		}))
		require.Equal(t, map[string]types.AttributeValue{"device": text("x"), "seq": numeral("10"), "other": text("stays"), "data": text("new")}, item(t, table, "seq", "10"))
		require.Equal(t, text("made"), item(t, table, "seq", "11")["data"])
		for _, it := range scan(t, table) {
			require.NotEqual(t, numeral("12"), it["seq"])
		}
		require.NoError(t, do(t, "dt/x", `"anew"`, "10", "INSERT"))
		require.NotContains(t, item(t, table, "seq", "10"), "other")
	})
	t.Run("refused one by one", func(t *testing.T) {
		long := fmt.Sprintf("%0500000d", 1)
		errs := batch(t, a, []actions.Event{
			event(t, a, "dt/y", `1`, "21", "INSERT"),
			event(t, a, "dt/y", `1`, "not a number", "INSERT"),
			event(t, a, "dt/y", `1`, "22", "UPSERT"),
			event(t, a, "dt/y", `"`+long+`"`, "23", "INSERT"),
			event(t, a, "dt/y", `1`, "24", "INSERT"),
		})
		kinds := []string{}
		for _, err := range errs {
			kinds = append(kinds, kindOf(err))
		}
		require.Equal(t, []string{"well", "permanent", "permanent", "permanent", "well"}, kinds, "%v", errs)
		require.ErrorContains(t, errs[1], `rangeKeyValue is "not a number", expected a number`)
		require.ErrorContains(t, errs[2], `operation is "UPSERT", expected INSERT, UPDATE or DELETE`)
		require.ErrorContains(t, errs[3], "DynamoDB BatchWriteItem: ValidationException")
		item(t, table, "seq", "21")
		item(t, table, "seq", "24")
	})
	t.Run("distinct", func(t *testing.T) {
		b := a.(actions.Batcher).Batch()
		same := b.Distinct(event(t, a, "dt/x", "1", "1.50", ""))
		require.Equal(t, same, b.Distinct(event(t, a, "dt/x", "2", "15e-1", "DELETE")))
		require.NotEqual(t, same, b.Distinct(event(t, a, "dt/x", "1", "1.51", "")))
		require.NotEqual(t, same, b.Distinct(event(t, a, "dt/y", "1", "1.5", "")))
	})
}

func TestDynamoDBv2(t *testing.T) {
	s := open(t, servertest.Moto(t), nil)
	table := newItems(t, "device", "seq")
	a := requireDecode(t, s, fmt.Sprintf(`{"dynamoDBv2":{"roleArn":%q,"putItem":{"tableName":%q}}}`, testRole, table))
	errs := batch(t, a, events(t, a, "t",
		`{"device":"a","seq":1,"temp":20.10,"nested":{"x":[1]}}`,
		`{"device":"a","seq":2}`,
		`{"device":"a","seq":1.0,"temp":20.20}`, // the first key again: the later one stays
		`{"device":"a","temp":1}`,
		`{"device":"a","seq":[1]}`,
		`[1]`, `text`,
		`{"device":"a","seq":"text"}`,
		`{"device":"","seq":1}`,
		`{"device":"b","seq":3}`,
	))
	kinds := []string{}
	for _, err := range errs {
		kinds = append(kinds, kindOf(err))
	}
	require.Equal(t, []string{"well", "well", "well", "permanent", "permanent", "permanent", "permanent", "permanent", "permanent", "well"}, kinds, "%v", errs)
	require.ErrorContains(t, errs[3], "the payload has no seq, the key of the table")
	require.ErrorContains(t, errs[4], "the payload has no text or number as seq")
	require.ErrorContains(t, errs[5], "not a JSON object")
	require.ErrorContains(t, errs[7], "ValidationException")
	items := map[string]map[string]types.AttributeValue{}
	for _, it := range scan(t, table) {
		items[it["device"].(*types.AttributeValueMemberS).Value+it["seq"].(*types.AttributeValueMemberN).Value[:1]] = it
	}
	require.Len(t, items, 3)
	require.Contains(t, []types.AttributeValue{numeral("20.20"), numeral("20.2")}, items["a1"]["temp"])
	require.NotContains(t, items["a1"], "nested")

	missing := s.DynamoDBv2(DynamoDBv2{PutItem: DynamoItem{TableName: "missing"}})
	err := missing.Do(t.Context(), event(t, missing, "t", `{}`))
	require.Equal(t, "again", kindOf(err), "%v", err)
	require.ErrorContains(t, err, "ResourceNotFoundException")
}

// TestDynamoDBv2OfAnotherKey checks a table that is made anew.
func TestDynamoDBv2OfAnotherKey(t *testing.T) {
	s, c := open(t, servertest.Moto(t), nil), dynamodb.NewFromConfig(sdkConfig(servertest.Moto(t)))
	table := newItems(t, "device", "seq")
	a := s.DynamoDBv2(DynamoDBv2{PutItem: DynamoItem{TableName: table}})
	well(t, batch(t, a, events(t, a, "t", `{"device":"a","seq":1}`)))
	_, err := c.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: &table})
	require.NoError(t, err)
	hash := "id"
	_, err = c.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: &table, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: &hash, AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: &hash, KeyType: types.KeyTypeHash}},
	})
	require.NoError(t, err)
	errs := batch(t, a, events(t, a, "t", `{"id":"1","n":1}`, `{"no":"key"}`, `{"id":"1","n":2}`, `{"id":"2","n":3}`))
	require.Equal(t, "permanent", kindOf(errs[1]))
	errs[1] = nil
	well(t, errs)
	require.Len(t, scan(t, table), 2)
}

// batchWrite is what BatchWriteItem sends.
type batchWrite struct {
	RequestItems map[string][]struct {
		PutRequest struct{ Item map[string]map[string]any }
	}
}

// dynamoFront answers for a table whose partition key is "k". busy says what it has no
// capacity for.
func dynamoFront(tb testing.TB, denied map[string]bool, busy func(item map[string]map[string]any) bool) *front {
	return newFront(tb, func(w http.ResponseWriter, r request) {
		if denied[r.target()] {
			header, body := jsonError(verdictCase{code: "com.amazon.coral.service#AccessDeniedException"})
			for name, v := range header {
				w.Header().Set(name, v)
			}
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(body))
			return
		}
		switch r.target() {
		case "DescribeTable":
			_, _ = w.Write([]byte(`{"Table":{"KeySchema":[{"AttributeName":"k","KeyType":"HASH"}]}}`))
		case "BatchWriteItem":
			var in batchWrite
			if err := json.Unmarshal(r.body, &in); err != nil {
				tb.Error(err)
			}
			seen := map[any]bool{}
			var left []any
			for _, p := range in.RequestItems["t"] {
				key := p.PutRequest.Item["k"]["S"]
				if seen[key] {
					tb.Errorf("the key %v is twice in a call", key)
				}
				seen[key] = true
				if busy(p.PutRequest.Item) {
					left = append(left, map[string]any{"PutRequest": p.PutRequest})
				}
			}
			out := map[string]any{"UnprocessedItems": map[string]any{}}
			if left != nil {
				out["UnprocessedItems"] = map[string]any{"t": left}
			}
			_ = json.NewEncoder(w).Encode(out)
		default:
			_, _ = w.Write([]byte(`{}`))
		}
	})
}

// TestDynamoDBUnprocessed checks that what the table has no capacity for comes again, and
// that nothing with the same key overtakes it.
func TestDynamoDBUnprocessed(t *testing.T) {
	busy := true
	f := dynamoFront(t, nil, func(it map[string]map[string]any) bool { return busy && it["k"]["S"] == "b" })
	a := open(t, f.url, nil).DynamoDBv2(DynamoDBv2{PutItem: DynamoItem{TableName: "t"}})
	evs := events(t, a, "t", `{"k":"a","n":1}`, `{"k":"b","n":2}`, `{"k":"c","n":3}`, `{"k":"b","n":4}`, `{"k":"a","n":5}`)
	errs := batch(t, a, evs)
	kinds := []string{}
	for _, err := range errs {
		kinds = append(kinds, kindOf(err))
	}
	require.Equal(t, []string{"well", "again", "well", "again", "well"}, kinds)
	require.ErrorIs(t, errs[1], errUnprocessed)
	busy = false
	well(t, batch(t, a, []actions.Event{evs[1], evs[3]}))
	var sent []string
	for _, r := range f.requests() {
		if r.target() != "BatchWriteItem" {
			continue
		}
		var in batchWrite
		require.NoError(t, json.Unmarshal(r.body, &in))
		call := ""
		for _, p := range in.RequestItems["t"] {
			call += fmt.Sprint(p.PutRequest.Item["n"]["N"])
		}
		sent = append(sent, call)
	}
	require.Equal(t, []string{"123", "5", "2", "4"}, sent)
}

// TestDynamoDBWithAnOldRole checks a role that was made for a rule of AWS: it may put single
// items only.
func TestDynamoDBWithAnOldRole(t *testing.T) {
	never := func(map[string]map[string]any) bool { return false }
	targets := func(f *front) (ops []string) {
		for _, r := range f.requests() {
			ops = append(ops, r.target())
		}
		return ops
	}
	t.Run("v2", func(t *testing.T) {
		f := dynamoFront(t, map[string]bool{"DescribeTable": true, "BatchWriteItem": true}, never)
		a := open(t, f.url, nil).DynamoDBv2(DynamoDBv2{PutItem: DynamoItem{TableName: "t"}})
		well(t, batch(t, a, events(t, a, "t", `{"k":"a"}`, `{"k":"a"}`, `{"k":"b"}`)))
		require.Equal(t, []string{"PutItem", "PutItem", "PutItem"}, targets(f))
	})
	t.Run("v1", func(t *testing.T) {
		f := dynamoFront(t, map[string]bool{"BatchWriteItem": true}, never)
		a := open(t, f.url, nil).DynamoDB(DynamoDB{TableName: "t", HashKeyField: "k", HashKeyValue: "${topic()}"})
		well(t, batch(t, a, []actions.Event{event(t, a, "a", "1"), event(t, a, "b", "2")}))
		well(t, batch(t, a, []actions.Event{event(t, a, "a", "3")}))
		require.Equal(t, []string{"PutItem", "PutItem", "PutItem"}, targets(f))
	})
	t.Run("not even that", func(t *testing.T) {
		f := dynamoFront(t, map[string]bool{"BatchWriteItem": true, "PutItem": true}, never)
		a := open(t, f.url, nil).DynamoDB(DynamoDB{TableName: "t", HashKeyField: "k", HashKeyValue: "${topic()}"})
		for _, err := range batch(t, a, []actions.Event{event(t, a, "a", "1"), event(t, a, "b", "2")}) {
			require.Equal(t, "again", kindOf(err))
			require.ErrorContains(t, err, "DynamoDB BatchWriteItem: AccessDeniedException")
		}
	})
}

func TestDynamoDBErrors(t *testing.T) {
	judgements(t, []verdictCase{
		{name: "throttled", code: "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException", status: 400, want: "again"},
		{name: "limited", code: "com.amazonaws.dynamodb.v20120810#RequestLimitExceeded", status: 400, want: "again"},
		{name: "throttling", code: "com.amazon.coral.availability#ThrottlingException", status: 400, want: "again"},
		{name: "no table", code: "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException", status: 400, want: "again"},
		{name: "being made", code: "com.amazonaws.dynamodb.v20120810#ResourceInUseException", status: 400, want: "again"},
		{name: "unknown key", code: "com.amazon.coral.service#UnrecognizedClientException", status: 400, want: "again"},
		{name: "by itself", code: "com.amazonaws.dynamodb.v20120810#InternalServerError", status: 500, want: "again"},
		{name: "not valid", code: "com.amazon.coral.validate#ValidationException", status: 400, want: "permanent"},
		{name: "collection too large", code: "com.amazonaws.dynamodb.v20120810#ItemCollectionSizeLimitExceededException", status: 400, want: "permanent"},
	}, func(s *Services) (actions.Action, actions.Event) {
		a := s.DynamoDB(DynamoDB{TableName: "t-1", HashKeyField: "k", HashKeyValue: "v"})
		return a, event(t, a, "t", "1")
	}, jsonError)
}

func TestDynamoDBRefused(t *testing.T) {
	s := open(t, "http://127.0.0.1:1", nil)
	role := `"roleArn":"` + testRole + `",`
	for text, expected := range map[string]string{
		`{"dynamoDB":{"tableName":"t","hashKeyField":"k","hashKeyValue":"v"}}`:                                                        "roleArn is missing",
		`{"dynamoDB":{` + role + `"hashKeyField":"k","hashKeyValue":"v"}}`:                                                            "tableName is missing",
		`{"dynamoDB":{` + role + `"tableName":"a/b","hashKeyField":"k","hashKeyValue":"v"}}`:                                          "tableName",
		`{"dynamoDB":{` + role + `"tableName":"t","hashKeyValue":"v"}}`:                                                               "hashKeyField is missing",
		`{"dynamoDB":{` + role + `"tableName":"t","hashKeyField":"k"}}`:                                                               "hashKeyValue is missing",
		`{"dynamoDB":{` + role + `"tableName":"t","hashKeyField":"k","hashKeyValue":"v","hashKeyType":"BOOL"}}`:                       `hashKeyType is "BOOL", expected STRING or NUMBER`,
		`{"dynamoDB":{` + role + `"tableName":"t","hashKeyField":"k","hashKeyValue":"v","hashKeyType":"NUMBER"}}`:                     `hashKeyValue is "v", expected a number`,
		`{"dynamoDB":{` + role + `"tableName":"t","hashKeyField":"k","hashKeyValue":"v","rangeKeyField":"r"}}`:                        "rangeKeyValue is missing",
		`{"dynamoDB":{` + role + `"tableName":"t","hashKeyField":"k","hashKeyValue":"v","rangeKeyValue":"r"}}`:                        "rangeKeyField is missing",
		`{"dynamoDB":{` + role + `"tableName":"t","hashKeyField":"k","hashKeyValue":"v","operation":"insert"}}`:                       `operation is "insert", expected INSERT, UPDATE or DELETE`,
		`{"dynamoDB":{` + role + `"tableName":"t","hashKeyField":"k","hashKeyValue":"v","payloadField":"k"}}`:                         `payloadField is "k"`,
		`{"dynamoDB":{` + role + `"tableName":"t","hashKeyField":"k","hashKeyValue":"v","rangeKeyField":"k","rangeKeyValue":"${x}"}}`: `rangeKeyField is "k"`,
		`{"dynamoDBv2":{` + role + `"tableName":"t"}}`:                                                                                "putItem.tableName is missing",
		`{"dynamoDBv2":{` + role + `"putItem":{"tableName":"t","x":1}}}`:                                                              "putItem.x is not known",
		`{"dynamoDBv2":{"putItem":{"tableName":"t"}}}`:                                                                                "roleArn is missing",
	} {
		requireRefused(t, s, text, expected)
	}
}

func TestCanonical(t *testing.T) {
	for _, same := range [][]string{
		{"0", "-0", "0.000", "0e9", "000"},
		{"1.2", "12e-1", "1.20", "+1.2", "0.12E1", "01.2", "120e-2"},
		{"-5", "-5.0", "-0.5e1"},
		{"100", "1e2", "1E+2"},
	} {
		want, ok := canonical(same[0])
		require.True(t, ok)
		for _, n := range same {
			got, ok := canonical(n)
			require.True(t, ok, n)
			require.Equal(t, want, got, n)
		}
	}
	for _, n := range []string{"", ".", "-", "e5", "1e", "1ee2", "0x10", "NaN", "Infinity", "1_000", " 1", "1.2.3", "1e99999999999", "--1", "٣"} {
		_, ok := canonical(n)
		require.False(t, ok, n)
	}
}

// FuzzCanonical checks that a number has one canonical text, however it is written.
func FuzzCanonical(f *testing.F) {
	for _, n := range []string{"0", "-1.50", "12e-1", "1E+2", ".5", "5.", "x"} {
		f.Add(n)
	}
	f.Fuzz(func(t *testing.T, n string) {
		c, ok := canonical(n)
		if !ok {
			return
		}
		again, ok := canonical(c)
		if !ok || again != c {
			t.Fatalf("%q became %q, and that %q", n, c, again)
		}
		a, err := strconv.ParseFloat(n, 64)
		b, err2 := strconv.ParseFloat(c, 64)
		if err == nil && err2 == nil && a != b {
			t.Fatalf("%q became %q", n, c)
		}
	})
}

// FuzzValue checks that any payload becomes a value.
func FuzzValue(f *testing.F) {
	for _, p := range []string{`{"a":[1,null,"x",{"b":true}]}`, "1e400", "\xff", "", "[[[]]]", `{"a":1,"a":2}`, "1 2"} {
		f.Add([]byte(p))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		v := value(p)
		if b, ok := v.(*types.AttributeValueMemberB); ok != !json.Valid(p) || ok && string(b.Value) != string(p) {
			t.Fatalf("%q became %#v", p, v)
		}
	})
}

// rigDynamo is a table at moto whose key is that of a record.
func rigDynamo(tb testing.TB) sinktest.Rig {
	table := newItems(tb, "key", "n")
	return sinktest.Rig{
		Addr: addr(servertest.Moto(tb)), HTTP: true, Unordered: true, Once: true,
		Poison: []byte(`{"key":"k1","n":"a text"}`), // which the table refuses
		Action: func(tb testing.TB, addr string) actions.Action {
			return faulty(tb, addr).DynamoDBv2(DynamoDBv2{PutItem: DynamoItem{TableName: table}})
		},
		Read: func(tb testing.TB) (got []sinktest.Record) {
			for _, it := range scan(tb, table) {
				n, err := strconv.Atoi(it["n"].(*types.AttributeValueMemberN).Value)
				require.NoError(tb, err)
				got = append(got, sinktest.Record{Key: it["key"].(*types.AttributeValueMemberS).Value, N: n})
			}
			return got
		},
	}
}

// rigDynamoV1 is rigDynamo with the record in one column.
func rigDynamoV1(tb testing.TB) sinktest.Rig {
	table := newItems(tb, "key", "n")
	return sinktest.Rig{
		Addr: addr(servertest.Moto(tb)), HTTP: true, Unordered: true, Once: true,
		Poison: []byte(`{"key":"k1","n":"a text"}`), // which the action refuses
		Action: func(tb testing.TB, addr string) actions.Action {
			return faulty(tb, addr).DynamoDB(DynamoDB{
				TableName: table, HashKeyField: "key", HashKeyValue: "${key}", RangeKeyField: "n", RangeKeyValue: "${n}", RangeKeyType: "NUMBER",
			})
		},
		Read: func(tb testing.TB) (got []sinktest.Record) {
			for _, it := range scan(tb, table) {
				n, err := strconv.Atoi(it["payload"].(*types.AttributeValueMemberM).Value["n"].(*types.AttributeValueMemberN).Value)
				require.NoError(tb, err)
				got = append(got, sinktest.Record{Key: it["key"].(*types.AttributeValueMemberS).Value, N: n})
			}
			return got
		},
	}
}

func TestDynamoDBFaults(t *testing.T) {
	t.Parallel()
	t.Run("v1", func(t *testing.T) { sinktest.Run(t, rigDynamoV1) })
	t.Run("v2", func(t *testing.T) { sinktest.Run(t, rigDynamo) })
}

func BenchmarkDynamoDB(b *testing.B) {
	b.Run("v1", func(b *testing.B) { sinktest.Bench(b, rigDynamoV1) })
	b.Run("v2", func(b *testing.B) { sinktest.Bench(b, rigDynamo) })
}
