package sdkgrpc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"sdkgrpc/stubs/apiproto"
)

// authority issues certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	// Where its certificate lies.
	file string
}

func template(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
}

// write puts a block into a file of the test.
func write(t *testing.T, folder, name, kind string, der []byte) string {
	t.Helper()
	file := filepath.Join(folder, name)
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, from := newKey(t), template("authority")
	from.IsCA, from.BasicConstraintsValid, from.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, from, from, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{certificate, key, write(t, t.TempDir(), "authority.pem", "CERTIFICATE", der)}
}

// issue writes a certificate and its key.
func (a *authority) issue(t *testing.T, name string) (certificate, key string) {
	t.Helper()
	own := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template(name), a.certificate, &own.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	return write(t, folder, name+".pem", "CERTIFICATE", der), write(t, folder, name+".key", "PRIVATE KEY", private)
}

// trusting is how a client trusts the authority; it shows a certificate of the other, if there is one.
func (a *authority) trusting(t *testing.T, shows *authority) grpc.DialOption {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(a.certificate)
	config := &tls.Config{RootCAs: roots}
	if shows != nil {
		pair, err := tls.LoadX509KeyPair(shows.issue(t, "client"))
		if err != nil {
			t.Fatal(err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return grpc.WithTransportCredentials(credentials.NewTLS(config))
}

// withTLS is the section of a node that the authority has issued a certificate for.
func (a *authority) withTLS(t *testing.T) string {
	t.Helper()
	certificate, key := a.issue(t, "node")
	return fmt.Sprintf("tls_cert_file = %q\ntls_key_file = %q\nreflection = true\n", certificate, key)
}

func info(t *testing.T, target string, options ...grpc.DialOption) codes.Code {
	t.Helper()
	_, err := apiproto.NewCentrifugoApiClient(dial(t, target, options...)).Info(soon(t), &apiproto.InfoRequest{})
	return status.Code(err)
}

func TestACallByTLSNeedsTheRightAuthorityAndTheKey(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	node := startNode(t, ours.withTLS(t))
	key := grpc.WithPerRPCCredentials(apiKey(sharedKey))
	for name, of := range map[string]struct {
		options []grpc.DialOption
		wanted  codes.Code
	}{
		"with both":             {[]grpc.DialOption{ours.trusting(t, nil), key}, codes.OK},
		"without the key":       {[]grpc.DialOption{ours.trusting(t, nil)}, codes.Unauthenticated},
		"another authority":     {[]grpc.DialOption{theirs.trusting(t, nil), key}, codes.Unavailable},
		"without TLS":           {[]grpc.DialOption{key}, codes.Unavailable},
		"a certificate as well": {[]grpc.DialOption{ours.trusting(t, theirs), key}, codes.OK},
	} {
		if code := info(t, node.grpc, of.options...); code != of.wanted {
			t.Error(name, code)
		}
	}
}

func TestACertificateOfTheCallerIsEnoughWhereItIsAskedFor(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	node := startNode(t, ours.withTLS(t)+fmt.Sprintf("tls_client_ca_file = %q\n", ours.file))
	for name, of := range map[string]struct {
		shows  *authority
		wanted codes.Code
	}{
		"of the authority":     {ours, codes.OK},
		"of another authority": {theirs, codes.Unavailable},
		"none":                 {nil, codes.Unavailable},
	} {
		if code := info(t, node.grpc, ours.trusting(t, of.shows)); code != of.wanted {
			t.Error(name, code)
		}
	}
}
