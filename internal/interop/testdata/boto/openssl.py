"""What a manufacturer does with OpenSSL: authorities, requests and certificates, as PEM."""

import os
import subprocess
import tempfile


def openssl(*args):
    done = subprocess.run(['openssl', *args], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def read(path):
    with open(path, encoding='ascii') as f:
        return f.read()


class Authority:
    """A CA with its files in a folder of its own."""

    def __init__(self, name):
        self.folder = tempfile.mkdtemp()
        self.key, self.cert = self.path('ca.key'), self.path('ca.pem')
        config = self.path('ca.cnf')
        with open(config, 'w', encoding='ascii') as f:
            f.write('[req]\ndistinguished_name=dn\nx509_extensions=ext\nprompt=no\n'
                    f'[dn]\nCN={name}\n'
                    '[ext]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n')
        openssl('req', '-x509', *EC, '-nodes', '-keyout', self.key, '-out', self.cert, '-days', '30', '-config', config)
        self.pem = read(self.cert)

    def path(self, name):
        return os.path.join(self.folder, name)

    def sign(self, common_name):
        """Makes a key and a certificate of this CA; returns the certificate and the files of both."""
        key, csr, cert = (self.path(common_name[:8] + end) for end in ('.key', '.csr', '.pem'))
        openssl('req', '-new', *EC, '-nodes', '-keyout', key, '-out', csr, '-subj', '/CN=' + common_name)
        openssl('x509', '-req', '-in', csr, '-CA', self.cert, '-CAkey', self.key, '-CAcreateserial', '-out', cert, '-days', '10', '-sha256')
        return read(cert), cert, key


EC = ('-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256')


def request(common_name):
    """Makes a certificate signing request."""
    folder = tempfile.mkdtemp()
    key, csr = os.path.join(folder, 'own.key'), os.path.join(folder, 'own.csr')
    openssl('req', '-new', *EC, '-nodes', '-keyout', key, '-out', csr, '-subj', '/CN=' + common_name)
    return read(csr)


def fingerprint(cert):
    """The id that a certificate has in IoT."""
    return openssl('x509', '-in', cert, '-noout', '-fingerprint', '-sha256').split('=')[1].strip().replace(':', '').lower()
