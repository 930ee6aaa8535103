package sdkgrpc

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"

	"sdkgrpc/stubs/apiproto"
	"sdkgrpc/stubs/ringpostv1"
)

const withKey = "authorization: apikey " + sharedKey

// grpcurl calls the program, and tells whether it was content.
func grpcurl(t *testing.T, arguments ...string) (string, bool) {
	t.Helper()
	said, err := exec.CommandContext(soon(t), os.Getenv("SDK_TEST_GRPCURL"), arguments...).CombinedOutput()
	if _, isExit := err.(*exec.ExitError); err != nil && !isExit {
		t.Fatal(err)
	}
	return string(said), err == nil
}

func TestGrpcurlListsAndDescribesByReflection(t *testing.T) {
	listed, ok := grpcurl(t, "-plaintext", "-H", withKey, shared, "list")
	services := strings.Fields(listed)
	for _, name := range []string{apiproto.CentrifugoApi_ServiceDesc.ServiceName, ringpostv1.RingpostApi_ServiceDesc.ServiceName} {
		if !ok || !slices.Contains(services, name) {
			t.Error(name, listed)
		}
	}
	described, ok := grpcurl(t, "-plaintext", "-H", withKey, shared, "describe", "ringpost.api.v1.RingpostApi.UsersState")
	if !ok || !strings.Contains(described, "rpc UsersState ( .ringpost.api.v1.UsersStateRequest )") {
		t.Error(described)
	}
	if said, ok := grpcurl(t, "-plaintext", shared, "list"); ok {
		t.Error("who has no key learns nothing", said)
	}
}

func TestGrpcurlPublishesWithReflectionAndWithFiles(t *testing.T) {
	data := base64.StdEncoding.EncodeToString([]byte(`{"text":"hello"}`))
	for _, knows := range [][]string{nil, {"-import-path", "../../../proto", "-proto", "ringpost.proto"}} {
		request := `{"channel":"` + channel("chat") + `","data":"` + data + `"}`
		call := append([]string{"-plaintext", "-H", withKey, "-d", request}, knows...)
		said, ok := grpcurl(t, append(call, shared, "ringpost.api.v1.RingpostApi/Publish")...)
		var answer struct{ Result struct{ Offset string } }
		if err := json.Unmarshal([]byte(said), &answer); !ok || err != nil || answer.Result.Offset != "1" {
			t.Error(said, err)
		}
	}
}

// describedHealth writes what grpcurl has to know of a service that tells everybody how it is, and describes itself to few.
func describedHealth(t *testing.T) string {
	t.Helper()
	files := &descriptorpb.FileDescriptorSet{
		File: []*descriptorpb.FileDescriptorProto{protodesc.ToFileDescriptorProto(healthpb.File_grpc_health_v1_health_proto)},
	}
	bytes, err := proto.Marshal(files)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "health.protoset")
	if err := os.WriteFile(file, bytes, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestGrpcurlAsksForHealthWithoutAKeyAndCallsByTLS(t *testing.T) {
	said, ok := grpcurl(t, "-plaintext", "-protoset", describedHealth(t), shared, "grpc.health.v1.Health/Check")
	if !ok || !strings.Contains(said, "SERVING") {
		t.Error(said)
	}
	ours := newAuthority(t)
	node := startNode(t, ours.withTLS(t))
	said, ok = grpcurl(t, "-cacert", ours.file, "-H", withKey, node.grpc, "centrifugal.centrifugo.api.CentrifugoApi/Info")
	if !ok || !strings.Contains(said, "nodes") {
		t.Error(said)
	}
	if said, ok := grpcurl(t, "-cacert", ours.file, "-H", withKey+"x", node.grpc, "list"); ok {
		t.Error("the key is wrong", said)
	}
}
