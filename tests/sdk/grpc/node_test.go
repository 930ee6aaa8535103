package sdkgrpc

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// The node that `run` started for all.
var shared = "127.0.0.1:" + os.Getenv("SDK_TEST_GRPC_PORT")

const (
	sharedKey = "sdk-key"
	patience  = 15 * time.Second
)

var channels atomic.Int32

// channel names one that no other test uses.
func channel(namespace string) string {
	return fmt.Sprintf("%s:grpc-go-%d-%d", namespace, os.Getpid(), channels.Add(1))
}

// apiKey gives every call of a connection the key, as documentation of Centrifugo has it for Go.
type apiKey string

func (k apiKey) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "apikey " + string(k)}, nil
}

func (apiKey) RequireTransportSecurity() bool { return false }

// dial opens a connection that ends with the test.
func dial(t *testing.T, target string, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	options = append([]grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}, options...)
	conn, err := grpc.NewClient(target, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// soon is how long one call may take.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// node is one of a test's own, killed with it.
type node struct {
	grpc  string
	child *exec.Cmd
}

// startNode starts a node with the gRPC API and these lines in its section.
func startNode(t *testing.T, section string) *node {
	t.Helper()
	config := "[shards]\ncores = \"0\"\n[http_server]\naddress = \"127.0.0.1\"\nport = 0\n" +
		"[tcp_server]\nenabled = false\n[client]\ninsecure = true\n[http_api]\nkey = \"" + sharedKey + "\"\n" +
		"[shutdown]\ndrain_time = \"1s\"\n[channel.without_namespace]\nhistory_size = 10\nhistory_ttl = \"1h\"\n" +
		"[grpc_api]\nenabled = true\naddress = \"127.0.0.1\"\nport = 0\n" + section
	file := filepath.Join(t.TempDir(), "node.toml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	child := exec.Command(os.Getenv("SDK_TEST_BIN"), "serve", "--config", file)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = child.Process.Kill()
		_ = child.Wait()
	})
	// What it prints once it serves: a line of the name and where to look.
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(lines.Text()), "gRPC "); ok {
			address, _, _ := strings.Cut(strings.TrimSpace(rest), ",")
			return &node{address, child}
		}
	}
	t.Fatal("the node does not tell where its gRPC API is")
	return nil
}

// drain has the node end in order, and does not wait for it.
func (n *node) drain(t *testing.T) {
	t.Helper()
	if err := n.child.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}
