package provision_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"

	"github.com/thinghub/thinghub/auth/provision"
)

// A template is read once and can be evaluated with the parameters of any device.
func ExampleParse() {
	template, err := provision.Parse(`{
		"Parameters": {"Serial": {"Type": "String"}, "Site": {"Type": "String", "Default": "north"}},
		"Mappings": {"Sites": {"north": {"group": "hall-1"}, "south": {"group": "hall-2"}}},
		"Resources": {
			"pump": {"Type": "AWS::IoT::Thing", "Properties": {
				"ThingName": {"Fn::Sub": "pump-${Serial}"},
				"ThingGroups": [{"Fn::FindInMap": ["Sites", {"Ref": "Site"}, "group"]}]}}}}`)
	if err != nil {
		log.Fatal(err)
	}
	plan, err := template.Evaluate(map[string]string{"Serial": "7"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(plan.Thing.Name, plan.Thing.Groups)

	_, err = template.Evaluate(nil)
	fmt.Println(err)
	_, err = provision.Parse(`{"Resources": {"pump": {"Type": "AWS::IoT::Thing", "Properties": {"Name": "x"}}}}`)
	fmt.Println(err)
	// Output:
	// pump-7 [hall-1]
	// provision: parameters lacks Serial, which the template needs
	// provision: templateBody.Resources.pump.Properties is "Name", expected one of the members ThingName, AttributePayload, ThingTypeName, ThingGroups, BillingGroup
}

// A device that has only its claim certificate gets a certificate of its own: it asks
// for keys, and then runs a template with them. Here the two rooms of a hub, certificates
// and registry, are small ones in memory.
func ExampleService_Handle() {
	ca, err := newAuthority()
	if err != nil {
		log.Fatal(err)
	}
	rooms := worldOf(ca)
	answers := map[string][]byte{} // what the device receives
	service, err := provision.New(provision.Config{
		Certificates: certificates{rooms}, Things: things{rooms}, Policies: policies{rooms},
		Publisher: provision.PublisherFunc(func(_ context.Context, _ provision.Requester, topic string, payload []byte) error {
			answers[topic] = payload
			return nil
		}),
		Hooks: map[string]provision.Hook{"only-ours": func(_ context.Context, r provision.HookRequest) (provision.HookAnswer, error) {
			return provision.HookAnswer{AllowProvisioning: r.Parameters["Serial"] == "0815"}, nil
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	_, err = service.CreateProvisioningTemplate(ctx, provision.CreateTemplateInput{
		Name: "pumps", Enabled: true, Hook: &provision.TemplateHook{TargetARN: "arn:aws:lambda:local:000000000000:function:only-ours"},
		Body: `{
			"Parameters": {"Serial": {"Type": "String"}},
			"Resources": {
				"thing": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": {"Fn::Sub": "pump-${Serial}"}}},
				"certificate": {"Type": "AWS::IoT::Certificate", "Properties": {"CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}}},
				"policy": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "pumps"}}},
			"DeviceConfiguration": {"interval": "60"}}`,
	})
	if err != nil {
		log.Fatal(err)
	}

	device := provision.Requester{Principal: "the id of the claim certificate", ClientID: "pump-0815"}
	const create = "$aws/certificates/create/json"
	if _, err := service.Handle(ctx, create, nil, device); err != nil {
		log.Fatal(err)
	}
	var created struct {
		CertificateID string `json:"certificateId"`
		Token         string `json:"certificateOwnershipToken"`
	}
	if err := json.Unmarshal(answers[create+"/accepted"], &created); err != nil {
		log.Fatal(err)
	}

	const run = "$aws/provisioning-templates/pumps/provision/json"
	for _, serial := range []string{"4711", "0815"} {
		request, err := json.Marshal(map[string]any{"certificateOwnershipToken": created.Token, "parameters": map[string]string{"Serial": serial}})
		if err != nil {
			log.Fatal(err)
		}
		if _, err := service.Handle(ctx, run, request, device); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Printf("%s\n%s\n", answers[run+"/rejected"], answers[run+"/accepted"])
	fmt.Println(rooms.status(created.CertificateID))
	// Output:
	// {"statusCode":403,"errorCode":"AccessDenied","errorMessage":"the pre-provisioning hook does not allow it"}
	// {"deviceConfiguration":{"interval":"60"},"thingName":"pump-0815"}
	// ACTIVE
}

// Who is in charge registers a device without asking it: here with a certificate that
// is known already.
func ExampleService_RegisterThing() {
	ca, err := newAuthority()
	if err != nil {
		log.Fatal(err)
	}
	rooms := worldOf(ca)
	service, err := provision.New(provision.Config{Certificates: certificates{rooms}, Things: things{rooms}, Policies: policies{rooms}})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	certificate, err := certificates{rooms}.CreateKeys(ctx)
	if err != nil {
		log.Fatal(err)
	}
	out, err := service.RegisterThing(ctx, `{
		"Parameters": {"Certificate": {"Type": "String"}},
		"Resources": {
			"lamp": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": "lamp-1"}},
			"identity": {"Type": "AWS::IoT::Certificate", "Properties": {"CertificateId": {"Ref": "Certificate"}}}}}`,
		map[string]string{"Certificate": certificate.ID})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(out.ResourceARNs["lamp"], rooms.status(certificate.ID))
	// Output: arn:aws:iot:local:000000000000:thing/lamp-1 ACTIVE
}
