// Command build answers, for each line of its input, what kustomize makes of a folder.
//
// A request is {"folder", "unrestricted", "reorder", "fresh", "timesOnly"}; reorder is "none",
// "legacy" or absent, as on kustomize's command line; fresh: forget the schemas of earlier builds,
// as one that names a schema of its own needs. An answer is {"milliseconds", "error", "objects"},
// where objects are in the order of the output. A panic of the library is an error that begins so.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"runtime/debug"
	"time"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/kustomize/kyaml/openapi"
)

const (
	longestRequest = 1 << 20   // bytes
	largestStack   = 128 << 20 // bytes: what recurses for ever shall end soon
)

var standard = openapi.GetSchemaVersion() // the schema of a build that asks for none

type request struct {
	Folder       string `json:"folder"`
	Unrestricted bool   `json:"unrestricted"`
	Reorder      string `json:"reorder"`
	Fresh        bool   `json:"fresh"`
	TimesOnly    bool   `json:"timesOnly"`
}

type answer struct {
	Milliseconds float64           `json:"milliseconds"`
	Error        string            `json:"error,omitempty"`
	Objects      []json.RawMessage `json:"objects,omitempty"`
}

func main() {
	debug.SetMaxStack(largestStack)
	log.SetOutput(io.Discard) // warnings about deprecated fields
	if err := serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, longestRequest)
	answers := json.NewEncoder(out)
	for lines.Scan() {
		var asked request
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			return fmt.Errorf("request %q: %w", lines.Text(), err)
		}
		if err := answers.Encode(answerTo(asked)); err != nil {
			return err
		}
	}
	return lines.Err()
}

func answerTo(asked request) answer {
	if asked.Fresh {
		openapi.ResetOpenAPI()
	}
	started := time.Now()
	built, err := built(asked)
	given := answer{Milliseconds: float64(time.Since(started).Microseconds()) / 1000}
	// A build leaves the schema that it asked for to the next one; to load it again takes 50 ms.
	if openapi.GetSchemaVersion() != standard {
		openapi.ResetOpenAPI()
	}
	if err == nil && !asked.TimesOnly {
		given.Objects, err = objects(built)
	}
	if err != nil {
		given.Error = err.Error()
		given.Objects = nil
	}
	return given
}

func built(asked request) (made resmap.ResMap, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	options := krusty.MakeDefaultOptions()
	options.Reorder = krusty.ReorderOptionUnspecified
	if asked.Reorder != "" {
		options.Reorder = krusty.ReorderOption(asked.Reorder)
	}
	if asked.Unrestricted {
		options.LoadRestrictions = types.LoadRestrictionsNone
	}
	made, err = krusty.MakeKustomizer(options).Run(filesys.MakeFsOnDisk(), asked.Folder)
	if err == nil {
		_, err = made.AsYaml() // what the command prints; it fails where this does
	}
	return made, err
}

func objects(made resmap.ResMap) ([]json.RawMessage, error) {
	var found []json.RawMessage
	for _, resource := range made.Resources() {
		text, err := resource.MarshalJSON()
		if err != nil {
			return nil, err
		}
		found = append(found, text)
	}
	return found, nil
}
