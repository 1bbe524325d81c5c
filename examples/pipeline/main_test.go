package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions/sinktest"
	"github.com/thinghub/thinghub/internal/servertest"
)

func TestMain(m *testing.M) { servertest.Main(m) }

// TestPipeline has a device report to PostgreSQL and S3, also while the database is away.
func TestPipeline(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	db := openTable(t)
	bucket := fmt.Sprintf("readings-%d", time.Now().UnixNano()) // the server outlives the test
	objects := openBucket(t, bucket)
	proxy := sinktest.NewProxy(t, servertest.Postgres(t))
	o := options{
		mqtt: "127.0.0.1:0", http: "127.0.0.1:0", postgres: fmt.Sprintf("postgres://%s@%s/postgres", servertest.PostgresUser, proxy.Addr()),
		bucket: bucket, s3: servertest.Moto(t), region: "eu-central-1", errors: t.TempDir(),
		database: sinktest.Quick("", "main"), warehouse: sinktest.Quick("", "main"),
	}
	ctx, stop := context.WithCancel(t.Context())
	addrs, ended := make(chan [2]string, 1), make(chan error, 1)
	go func() { ended <- run(ctx, o, func(mqtt, http string) { addrs <- [2]string{mqtt, http} }) }()
	var at [2]string
	select {
	case at = <-addrs:
	case err := <-ended:
		t.Fatal(err)
	}

	device := connect(t, at[0])
	publish := func(i int) {
		payload := fmt.Sprintf(`{"celsius":%d.5,"secret":"not selected"}`, i)
		_, err := device.Publish(t.Context(), &paho.Publish{Topic: fmt.Sprintf("dt/pump-%d/temp", i%3), QoS: 1, Payload: []byte(payload)})
		require.NoError(t, err)
	}
	for i := range 20 {
		publish(i)
	}
	rows := func() (n int) {
		require.NoError(t, db.QueryRow(t.Context(), "SELECT count(*) FROM readings WHERE celsius = floor(celsius) + 0.5 AND at > now() - interval '1 hour'").Scan(&n))
		return n
	}
	until := func(what string, happened func() bool) {
		t.Helper()
		require.Eventually(t, happened, time.Minute, 20*time.Millisecond, what)
	}
	until("the rows are there", func() bool { return rows() == 20 })
	until("the objects are there", func() bool { return len(objects()) == 20 })
	status, text := healthz(t, at[1])
	require.Equal(t, http.StatusOK, status, text)

	proxy.Down()
	for i := range 20 {
		publish(20 + i)
	}
	until("the other sink goes on", func() bool { return len(objects()) == 40 })
	until("somebody hears of it", func() bool {
		status, text = healthz(t, at[1])
		return status == http.StatusServiceUnavailable
	})
	require.Contains(t, text, `"sink":"postgres main","down":true`)
	require.Contains(t, text, `"queued":20`)
	require.Equal(t, 20, rows())
	proxy.Up()
	until("what waited is written", func() bool { return rows() == 40 })
	until("it is well again", func() bool {
		status, text = healthz(t, at[1])
		return status == http.StatusOK
	})

	// What no column takes is reported, and holds up nothing.
	_, err := device.Publish(t.Context(), &paho.Publish{Topic: "dt/pump-1/temp", QoS: 1, Payload: []byte(`{"celsius":1e999}`)})
	require.NoError(t, err)
	publish(40)
	until("the next one is written", func() bool { return rows() == 41 })
	until("the other is reported", func() bool {
		report, err := os.ReadFile(filepath.Join(o.errors, "readings.jsonl"))
		return err == nil && strings.Contains(string(report), `"failedAction":"PostgresAction"`)
	})
	for _, body := range objects() {
		require.NotContains(t, body, "secret")
	}

	stop()
	require.NoError(t, <-ended)
}

// openTable makes the table of the documentation.
func openTable(t *testing.T) *pgx.Conn {
	t.Helper()
	db, err := pgx.Connect(t.Context(), fmt.Sprintf("postgres://%s@%s/postgres", servertest.PostgresUser, servertest.Postgres(t)))
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close(context.Background()) })
	_, err = db.Exec(t.Context(), "DROP TABLE IF EXISTS readings; CREATE TABLE readings (id text PRIMARY KEY, device text, celsius double precision, at timestamptz)")
	require.NoError(t, err)
	return db
}

// openBucket makes the bucket, and returns a function that reads all of it.
func openBucket(t *testing.T, name string) func() []string {
	t.Helper()
	sdk, err := config.LoadDefaultConfig(t.Context(), config.WithRegion("eu-central-1"), config.WithBaseEndpoint(servertest.Moto(t)))
	require.NoError(t, err)
	client := s3.NewFromConfig(sdk, func(o *s3.Options) { o.UsePathStyle = true })
	_, err = client.CreateBucket(t.Context(), &s3.CreateBucketInput{
		Bucket: &name, CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraintEuCentral1},
	})
	require.NoError(t, err)
	return func() (list []string) {
		all, err := client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &name})
		require.NoError(t, err)
		for _, o := range all.Contents {
			got, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &name, Key: o.Key})
			require.NoError(t, err)
			body, err := io.ReadAll(got.Body)
			require.NoError(t, err)
			got.Body.Close()
			list = append(list, string(body))
		}
		return list
	}
}

// connect connects a device.
func connect(t *testing.T, addr string) *paho.Client {
	t.Helper()
	raw, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	conn := packets.NewThreadSafeConn(raw)
	client := paho.NewClient(paho.ClientConfig{Conn: conn})
	_, err = client.Connect(t.Context(), &paho.Connect{ClientID: "pump", KeepAlive: 30, CleanStart: true})
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Disconnect(&paho.Disconnect{}) })
	return client
}

func healthz(t *testing.T, addr string) (status int, text string) {
	t.Helper()
	resp, err := http.Get("http://" + addr + "/healthz")
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.True(t, json.Valid(body))
	return resp.StatusCode, string(body)
}

func TestPipeline_NeedsItsEnds(t *testing.T) {
	err := run(t.Context(), options{bucket: "readings"}, nil)
	require.EqualError(t, err, "-postgres and -bucket are missing, expected a database and a bucket")
	err = run(t.Context(), options{bucket: "readings", postgres: "postgres://u:secret@host:x/db"}, nil)
	require.ErrorContains(t, err, "the DSN cannot be read")
	require.NotContains(t, err.Error(), "secret")
}
