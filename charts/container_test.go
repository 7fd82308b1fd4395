package charts_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// .dockerignore lets in all that the program is made from. A new package needs a line there.
func TestBuildContextIsWhole(t *testing.T) {
	ignore := strings.Split(string(readFile(t, "../.dockerignore")), "\n")
	letIn := func(file string) bool {
		if strings.HasSuffix(file, "_test.go") || strings.Contains(file, "/testdata/") {
			return false
		}
		for dir := file; dir != "."; dir = path.Dir(dir) {
			if slices.Contains(ignore, "!"+dir) {
				return true
			}
		}
		return false
	}
	if !slices.Contains(ignore, "*") || letIn("README.md") || letIn(".git/config") {
		t.Error(".dockerignore lets in everything")
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=Dir,Standard,Module,GoFiles,EmbedFiles", "./cmd/registry")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	files := 0
	for list := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			Dir                 string
			Module              *struct{ Main bool }
			GoFiles, EmbedFiles []string
		}
		if err := list.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if p.Module == nil || !p.Module.Main {
			continue
		}
		dir, err := filepath.Rel(root, p.Dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range slices.Concat(p.GoFiles, p.EmbedFiles) {
			files++
			if file := path.Join(filepath.ToSlash(dir), f); !letIn(file) {
				t.Errorf(".dockerignore keeps out %s, which the program is made from", file)
			}
		}
	}
	if files < 50 {
		t.Errorf("the program is made from %d files; they are not listed as they should be", files)
	}
}

// What makes the images safe is still in the Dockerfile.
func TestDockerfile(t *testing.T) {
	text := string(readFile(t, "../Dockerfile"))
	stages := strings.Split(text, "\nFROM ")[1:]
	if len(stages) != 3 {
		t.Fatalf("%d stages, want build, balancer and registry", len(stages))
	}
	for i, wants := range [][]string{
		{"--platform=$BUILDPLATFORM ${GO_IMAGE} AS build", "CGO_ENABLED=0 GOOS=${TARGETOS} GOARCH=${TARGETARCH}", "-trimpath"},
		{"${HAPROXY_IMAGE} AS balancer", "USER 65532:65532", "org.opencontainers.image.version"},
		{"scratch AS registry", "USER 65532:65532", `HEALTHCHECK`, `CMD ["/registry", "healthcheck"]`, `ENTRYPOINT ["/registry"]`, "EXPOSE 4001/tcp 7946/tcp 7946/udp", "org.opencontainers.image.revision"},
	} {
		for _, want := range wants {
			if !strings.Contains(stages[i], want) {
				t.Errorf("stage %d has no %q", i, want)
			}
		}
	}
}
