// Package provision registers devices by templates: it makes a thing, a certificate and
// what connects them, all at once or not at all.
//
// A [Template] is JSON as AWS IoT has it: parameters, resources, and functions that make
// the one of the other. There are four ways to run one:
//
//   - [Service.RegisterThing]: somebody in charge registers a device.
//   - Fleet provisioning by claim: all devices leave the factory with one claim
//     certificate, which is good for nothing but to get a certificate of their own, over
//     MQTT. [Service.Handle] is the hub's side of it.
//   - Fleet provisioning by a trusted user: [Service.CreateProvisioningClaim] makes a
//     claim certificate for one device, good for five minutes and one template.
//   - Just-in-time provisioning: [Service.Provision] runs the template of a certificate
//     authority for a certificate of it that the hub sees for the first time.
//
// The package knows neither certificates nor things nor policies themselves: [Certificates],
// [Things] and [Policies] are the rooms where they live. Templates, claims and ownership
// tokens are kept in an auth.Directory, so hubs that share one share them. [Service.Run]
// deletes what has expired.
//
// # Templates
//
//	{
//	  "Parameters": {"Serial": {"Type": "String"}, "Site": {"Type": "String", "Default": "north"}},
//	  "Mappings": {"Sites": {"north": {"group": "hall-1"}}},
//	  "Resources": {
//	    "thing": {"Type": "AWS::IoT::Thing", "Properties": {
//	      "ThingName": {"Fn::Join": ["-", ["pump", {"Ref": "Serial"}]]},
//	      "AttributePayload": {"serial": {"Ref": "Serial"}},
//	      "ThingGroups": [{"Fn::FindInMap": ["Sites", {"Ref": "Site"}, "group"]}]},
//	      "OverrideSettings": {"AttributePayload": "MERGE", "ThingGroups": "FAIL"}},
//	    "certificate": {"Type": "AWS::IoT::Certificate", "Properties": {
//	      "CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}, "Status": "ACTIVE"}},
//	    "policy": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "pumps"}}},
//	  "DeviceConfiguration": {"interval": "60"}
//	}
//
// The functions are Ref, Fn::Join, Fn::Select, Fn::FindInMap, Fn::Split and Fn::Sub, one
// within the other as you like. In Fn::Sub, ${!x} stands for ${x} itself, which a policy
// variable needs: "topic/${Site}/${!iot:ClientId}". A template has at most one thing and
// one certificate, and up to ten policies, which are attached to the certificate; any
// member or function that is not known is an error, with its path.
//
// What is there already follows OverrideSettings. The default of the properties of a
// thing is DO_NOTHING. FAIL fails if the thing is there at all. The status of a
// certificate is replaced by default; one that waits for its activation always gets the
// status of the template; one that is revoked is never touched.
//
// A device that chooses the name of its thing can choose that of another one, and its
// certificate is then attached to it. Say FAIL in OverrideSettings, or let a hook decide.
// A value that comes from a device or from a certificate's subject and goes into a
// policy document must not hold *, ? or $, and cannot leave the text it stands in. A
// PolicyName that comes from a device is the device's choice among all policies.
//
// # Messages
//
// F is json or cbor. The answers come on the topic of the request with /accepted or
// /rejected behind it, to the requester alone.
//
//	$aws/certificates/create/F                      (empty)
//	  accepted: {certificateId, certificatePem, privateKey, certificateOwnershipToken}
//	$aws/certificates/create-from-csr/F             {certificateSigningRequest}
//	  accepted: {certificateOwnershipToken, certificateId, certificatePem}
//	$aws/provisioning-templates/NAME/provision/F    {certificateOwnershipToken, parameters}
//	  accepted: {deviceConfiguration, thingName}
//	rejected: {statusCode, errorCode, errorMessage}
//
// thingName is absent if the template has no thing. A claim certificate needs, in its
// policy, iot:Connect; iot:Publish and iot:Receive on these topics with everything below
// them; and iot:Subscribe on the same as topic filters: [Service.ClaimPolicy] writes it.
// Note that create/* does not cover create-from-csr/*.
//
// A new certificate is PENDING_ACTIVATION. Its ownership token is good for one hour, for
// the principal that asked for it, and for one successful provisioning: a rejected
// attempt may be repeated. A certificate whose token expires is deleted. After its
// provisioning the device connects anew with its own certificate.
//
// The error codes are InvalidPayload, InvalidParameters, InvalidRequest,
// InvalidCertificateOwnershipToken and ResourceRegistrationFailure with status 400,
// AccessDenied (403), ResourceNotFound (404: no template of this name is enabled),
// ResourceConflict and ConflictingResourceUpdate (409), LimitExceeded and Throttling
// (429), and InternalFailure (500).
package provision
