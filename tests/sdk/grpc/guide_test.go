package sdkgrpc

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// example is the first block of docs/GRPC.md in a language, for the node that `run` started.
func example(t *testing.T, language string) string {
	t.Helper()
	page, err := os.ReadFile("../../../docs/GRPC.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, begins := strings.Cut(string(page), "```"+language+"\n")
	block, _, ends := strings.Cut(block, "```")
	if !begins || !ends {
		t.Fatal("the page has no", language)
	}
	return strings.NewReplacer("127.0.0.1:10000", shared, "apikey KEY", "apikey "+sharedKey, "chat:lobby", channel("chat")).Replace(block)
}

// says is what a program says, which must be content.
func says(t *testing.T, folder, program string, arguments ...string) string {
	t.Helper()
	command := exec.CommandContext(soon(t), program, arguments...)
	command.Dir = folder
	said, err := command.CombinedOutput()
	if err != nil {
		t.Fatal(err, string(said))
	}
	return strings.TrimSpace(string(said))
}

func writeExample(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTheExampleInGoPublishes(t *testing.T) {
	text := strings.Replace(example(t, "go"), "example.com/backend", "sdkgrpc/stubs", 1)
	writeExample(t, "stubs/guide/main.go", text)
	program := filepath.Join(t.TempDir(), "guide")
	build := exec.Command("go", "build", "-o", program, "./stubs/guide")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatal(err, string(said))
	}
	if said := says(t, ".", program); said != "1" {
		t.Error(said)
	}
}

func TestTheExampleInPythonPublishes(t *testing.T) {
	folder, python := t.TempDir(), os.Getenv("SDK_TEST_PYTHON")
	proto, err := filepath.Abs("../../../proto")
	if err != nil {
		t.Fatal(err)
	}
	says(t, folder, python, "-m", "grpc_tools.protoc", "-I"+proto, "--python_out=.", "--grpc_python_out=.", "ringpost.proto")
	writeExample(t, filepath.Join(folder, "guide.py"), example(t, "python"))
	if said := says(t, folder, python, "guide.py"); said != "1" {
		t.Error(said)
	}
}

func TestTheExampleForGrpcurlPublishes(t *testing.T) {
	// The first shell block of the page is this one; it is run in the folder of the repository.
	text := strings.Replace(example(t, "sh"), "grpcurl", os.Getenv("SDK_TEST_GRPCURL"), 1)
	if said := says(t, "../../..", "sh", "-c", text); !strings.Contains(said, `"offset": "1"`) {
		t.Error(said)
	}
}
