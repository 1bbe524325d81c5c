"""Certificates and their authorities."""

from openssl import Authority, fingerprint, request
from wire import check, equal, fails, has, pages

ARN = 'arn:aws:iot:eu-central-1:123456789012:'


@check
def certificates_made(aws):
    iot, x = aws.iot, aws.iot.exceptions
    made = iot.create_keys_and_certificate(setAsActive=True)
    arn, id_ = made['certificateArn'], made['certificateId']
    equal(arn, ARN + 'cert/' + id_)
    assert 'PRIVATE KEY' in made['keyPair']['PrivateKey'] and 'PUBLIC KEY' in made['keyPair']['PublicKey'], made['keyPair']
    is_ = iot.describe_certificate(certificateId=id_)['certificateDescription']
    has(is_, certificateArn=arn, certificatePem=made['certificatePem'], status='ACTIVE', ownedBy='123456789012', certificateMode='DEFAULT')
    assert is_['validity']['notBefore'] < is_['creationDate'] <= is_['lastModifiedDate'] < is_['validity']['notAfter'], is_

    signed = iot.create_certificate_from_csr(certificateSigningRequest=request('pump'))
    assert 'keyPair' not in signed, signed
    equal(iot.describe_certificate(certificateId=signed['certificateId'])['certificateDescription']['status'], 'INACTIVE')
    fails(x.InvalidRequestException, iot.create_certificate_from_csr, certificateSigningRequest='nonsense')

    listed = {c['certificateId']: c['status'] for c in pages(iot, 'list_certificates', 'certificates')}
    equal(listed[id_], 'ACTIVE')
    equal(listed[signed['certificateId']], 'INACTIVE')

    fails(x.CertificateStateException, iot.delete_certificate, certificateId=id_)
    iot.update_certificate(certificateId=id_, newStatus='INACTIVE')
    iot.create_thing(thingName='owner')
    iot.attach_thing_principal(thingName='owner', principal=arn)
    equal(iot.list_thing_principals(thingName='owner')['principals'], [arn])
    fails(x.DeleteConflictException, iot.delete_certificate, certificateId=id_)
    iot.detach_thing_principal(thingName='owner', principal=arn)
    iot.delete_certificate(certificateId=id_)
    fails(x.ResourceNotFoundException, iot.describe_certificate, certificateId=id_)
    iot.update_certificate(certificateId=signed['certificateId'], newStatus='REVOKED')
    fails(x.CertificateStateException, iot.update_certificate, certificateId=signed['certificateId'], newStatus='ACTIVE')


@check
def authorities(aws):
    iot, x = aws.iot, aws.iot.exceptions
    ca = Authority('Pumps Inc')
    code = iot.get_registration_code()['registrationCode']
    equal(len(code), 64)
    equal(iot.get_registration_code()['registrationCode'], code)
    other, _, _ = ca.sign('not-the-code')
    fails(x.RegistrationCodeValidationException, iot.register_ca_certificate, caCertificate=ca.pem, verificationCertificate=other)
    foreign, _, _ = Authority('Somebody else').sign(code)
    fails(x.CertificateValidationException, iot.register_ca_certificate, caCertificate=ca.pem, verificationCertificate=foreign)
    proof, _, _ = ca.sign(code)
    made = iot.register_ca_certificate(caCertificate=ca.pem, verificationCertificate=proof, setAsActive=True, tags=[{'Key': 'k', 'Value': 'v'}])
    equal(made['certificateId'], fingerprint(ca.cert))
    again = fails(x.ResourceAlreadyExistsException, iot.register_ca_certificate, caCertificate=ca.pem, verificationCertificate=proof)
    has(again, resourceId=made['certificateId'], resourceArn=made['certificateArn'])
    is_ = iot.describe_ca_certificate(certificateId=made['certificateId'])['certificateDescription']
    has(is_, certificatePem=ca.pem, status='ACTIVE', autoRegistrationStatus='DISABLE')

    # Certificates of it.
    pem, file, _ = ca.sign('pump-1')
    device = iot.register_certificate(certificatePem=pem, caCertificatePem=ca.pem, status='ACTIVE')
    equal(device['certificateId'], fingerprint(file))
    has(iot.describe_certificate(certificateId=device['certificateId'])['certificateDescription'],
        certificatePem=pem, caCertificateId=made['certificateId'], status='ACTIVE')
    fails(x.ResourceAlreadyExistsException, iot.register_certificate, certificatePem=pem, caCertificatePem=ca.pem)
    stray, stray_file, _ = Authority('Pumps Inc').sign('pump-1')  # of the same name
    fails(x.CertificateValidationException, iot.register_certificate, certificatePem=stray, caCertificatePem=ca.pem)
    alone = iot.register_certificate_without_ca(certificatePem=stray)
    equal(alone['certificateId'], fingerprint(stray_file))
    equal([c['certificateId'] for c in iot.list_certificates_by_ca(caCertificateId=made['certificateId'])['certificates']], [device['certificateId']])
    assert made['certificateId'] in [c['certificateId'] for c in pages(iot, 'list_ca_certificates', 'certificates', size=1)]

    iot.update_ca_certificate(certificateId=made['certificateId'], newAutoRegistrationStatus='ENABLE')
    equal(iot.describe_ca_certificate(certificateId=made['certificateId'])['certificateDescription']['autoRegistrationStatus'], 'ENABLE')
    fails(x.CertificateStateException, iot.delete_ca_certificate, certificateId=made['certificateId'])
    iot.update_ca_certificate(certificateId=made['certificateId'], newStatus='INACTIVE')
    fails(x.CertificateStateException, iot.register_certificate, certificatePem=ca.sign('pump-2')[0], caCertificatePem=ca.pem)
    iot.delete_ca_certificate(certificateId=made['certificateId'])
    fails(x.ResourceNotFoundException, iot.describe_ca_certificate, certificateId=made['certificateId'])
    iot.delete_registration_code()
    assert iot.get_registration_code()['registrationCode'] != code


@check
def transfers(aws):
    """Offers to another account: this hub has one, so that nobody is there to accept."""
    iot, x = aws.iot, aws.iot.exceptions
    id_ = iot.create_keys_and_certificate(setAsActive=False)['certificateId']
    offered = iot.transfer_certificate(certificateId=id_, targetAwsAccount='210987654321', transferMessage='sold')
    assert offered['transferredCertificateArn'].endswith(':cert/' + id_), offered
    is_ = iot.describe_certificate(certificateId=id_)['certificateDescription']
    equal(is_['status'], 'PENDING_TRANSFER')
    equal(is_['transferData']['transferMessage'], 'sold')
    out = iot.list_outgoing_certificates()['outgoingCertificates']
    equal([(c['certificateId'], c['transferredTo'], c['transferMessage']) for c in out], [(id_, '210987654321', 'sold')])
    fails(x.ResourceNotFoundException, iot.accept_certificate_transfer, certificateId=id_)
    fails(x.ResourceNotFoundException, iot.reject_certificate_transfer, certificateId=id_)
    iot.cancel_certificate_transfer(certificateId=id_)
    fails(x.TransferAlreadyCompletedException, iot.cancel_certificate_transfer, certificateId=id_)
    equal(iot.describe_certificate(certificateId=id_)['certificateDescription']['status'], 'INACTIVE')
    assert not iot.list_outgoing_certificates()['outgoingCertificates']
