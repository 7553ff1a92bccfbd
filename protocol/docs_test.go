package protocol

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The worked example of the document must be the vector, and every good vector
// must be listed in it.
func TestDocumentAgreesWithTheVectors(t *testing.T) {
	b, err := os.ReadFile("../docs/PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(b)
	_, example, ok := strings.Cut(doc, "```hex\n")
	example, _, ok2 := strings.Cut(example, "```")
	if !ok || !ok2 {
		t.Fatal("no worked example in docs/PROTOCOL.md")
	}
	var text strings.Builder
	for line := range strings.Lines(example) {
		bytes, _, _ := strings.Cut(line, "|")
		text.WriteString(strings.Join(strings.Fields(bytes), ""))
	}
	if want := hex.EncodeToString(readHex(t, "testdata/numeric.hex")); text.String() != want {
		t.Errorf("the example is\n%s\nbut the vector is\n%s", text.String(), want)
	}
	files, _ := filepath.Glob("testdata/*.hex")
	for _, file := range files {
		if name := strings.TrimSuffix(filepath.Base(file), ".hex"); !strings.HasPrefix(name, "bad-") && !strings.Contains(doc, "`"+name+"`") {
			t.Errorf("vector %s is not in docs/PROTOCOL.md", name)
		}
	}
}
