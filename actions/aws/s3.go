package aws

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/thinghub/thinghub/actions"
)

// S3 writes the outgoing payload to an object of its own, several at once. It is the AWS
// action "s3".
//
// An object with a key that is the same for several messages is written in their order.
type S3 struct {
	// RoleARN is the role that may s3:PutObject.
	RoleARN string `json:"roleArn,omitempty"`
	// BucketName may have templates.
	BucketName string `json:"bucketName"`
	// Key may have templates: 1 to 1024 bytes. A template cannot bring in a segment "." or
	// "..", which a server or what stands before it may take for another object.
	Key string `json:"key"`
	// CannedACL is the access control list, such as "private"; "" leaves it to the bucket.
	CannedACL string `json:"cannedAcl,omitempty"`
}

const (
	s3Parallel = 16
	maxS3Key   = 1024
	maxBucket  = 63
)

// The canned ACLs of AWS IoT, as their names on the wire.
var cannedACLs = []string{
	"private", "public-read", "public-read-write", "aws-exec-read", "authenticated-read",
	"bucket-owner-read", "bucket-owner-full-control", "log-delivery-write",
}

// S3 returns the action for a bucket.
func (s *Services) S3(p S3) actions.Action {
	return &s3Action{S3: p, at: s.at("s3", p.BucketName, p.RoleARN), dots: hasDots(p.Key)}
}

func readS3(p params) actions.Action {
	return p.services.S3(S3{
		RoleARN: p.role(), BucketName: p.Need("bucketName"), Key: p.Need("key"), CannedACL: p.Enum("cannedAcl", cannedACLs...),
	})
}

type s3Action struct {
	S3
	at
	dots bool // the author wrote a key with . or ..
}

// Kind is "s3".
func (*s3Action) Kind() string { return "s3" }

// Resource is the bucket.
func (a *s3Action) Resource(ev actions.Event) string { return resource(a.BucketName, ev) }

// Params are the bucket and the key.
func (a *s3Action) Params() []actions.Param {
	return []actions.Param{{Name: "bucketName", Text: a.BucketName}, {Name: "key", Text: a.Key}}
}

// Check reports what can be seen to be wrong before a message comes.
func (a *s3Action) Check() error {
	switch {
	case a.BucketName == "":
		return actions.WrongField("bucketName", "", "the name of a bucket")
	case !templated(a.BucketName):
		if err := checkBucket(a.BucketName); err != nil {
			return err
		}
	}
	if a.Key == "" {
		return actions.WrongField("key", "", "the key of an object")
	}
	if !templated(a.Key) {
		if err := a.checkKey(a.Key); err != nil {
			return err
		}
	}
	if a.CannedACL != "" && !slices.Contains(cannedACLs, a.CannedACL) {
		return actions.WrongField("cannedAcl", a.CannedACL, strings.Join(cannedACLs, ", "))
	}
	return a.check()
}

// checkBucket checks the name of a bucket, which becomes a part of a host or a path.
func checkBucket(name string) error {
	if len(name) < 3 || len(name) > maxBucket || strings.Contains(name, "..") || strings.Trim(name, ".-") != name || strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '.'
	}) {
		return actions.WrongField("bucketName", name, "the name of a bucket: 3 to 63 of a-z, 0-9, - and .")
	}
	return nil
}

func (a *s3Action) checkKey(key string) error {
	switch {
	case key == "" || len(key) > maxS3Key || !utf8.ValidString(key) || strings.IndexByte(key, 0) >= 0:
		return actions.WrongField("key", key, "1 to 1024 bytes of UTF-8 without U+0000")
	case !a.dots && hasDots(key):
		return actions.WrongField("key", key, "a key without the segments . and ..")
	}
	return nil
}

// hasDots reports whether a path has a segment that servers resolve.
func hasDots(path string) bool {
	for s := range strings.SplitSeq(path, "/") {
		if s == "." || s == ".." {
			return true
		}
	}
	return false
}

// Batch is how many objects are written at once.
func (a *s3Action) Batch() actions.Batch {
	return actions.Batch{
		Events: s3Parallel, AcrossTopics: true, Parallel: true,
		Distinct: func(ev actions.Event) string { return ev.Params[0] + "/" + ev.Params[1] },
	}
}

// DoBatch writes several objects at once, which have different keys.
func (a *s3Action) DoBatch(ctx context.Context, evs []actions.Event) []error {
	if len(evs) == 1 {
		return []error{a.Do(ctx, evs[0])}
	}
	errs := make([]error, len(evs))
	var writing sync.WaitGroup
	for i := range evs {
		writing.Go(func() { errs[i] = a.Do(ctx, evs[i]) })
	}
	writing.Wait()
	return errs
}

// Do writes one object.
func (a *s3Action) Do(ctx context.Context, ev actions.Event) error {
	bucket, key := ev.Params[0], ev.Params[1]
	if err := checkBucket(bucket); err != nil {
		return actions.Permanent(err)
	}
	if err := a.checkKey(key); err != nil {
		return actions.Permanent(err)
	}
	c, err := client(a.services, a.role, func(c sdk.Config) *s3.Client {
		return s3.NewFromConfig(c, func(o *s3.Options) { o.UsePathStyle = a.services.cfg.S3PathStyle })
	})
	if err != nil {
		return err
	}
	in := &s3.PutObjectInput{
		Bucket: &bucket, Key: &key, ACL: types.ObjectCannedACL(a.CannedACL),
		Body: bytes.NewReader(bytes.Clone(ev.Payload)), // a connection may still read it when the answer is there
	}
	_, err = c.PutObject(ctx, in)
	return a.judge(err)
}

// judge takes an access that is denied for good if the message has chosen the key: a
// policy may be about the key.
func (a *s3Action) judge(err error) error {
	return judge(err, templated(a.BucketName) || templated(a.Key) && denied(err))
}
