// Judge says what GitOps tools think of objects: `judge kstatus` as Flux does, `judge argocd SCRIPT` as Argo CD does with
// that health check. It reads JSON objects, one after the other, and writes for each one a line {"status", "message"}.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Object is a Kubernetes object as controllers decode it: whole numbers are int64.
type Object = *unstructured.Unstructured

// Verdict is what a tool says of one object.
type Verdict struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "judge:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) == 1 && arguments[0] == "--version" {
		return nil
	}
	judge, err := chosen(arguments)
	if err != nil {
		return err
	}
	decoder, encoder := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(object); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		verdict, err := judge(object)
		if err != nil {
			return err
		}
		if err := encoder.Encode(verdict); err != nil {
			return err
		}
	}
}

func chosen(arguments []string) (func(Object) (Verdict, error), error) {
	switch {
	case len(arguments) == 1 && arguments[0] == "kstatus":
		return flux, nil
	case len(arguments) == 2 && arguments[0] == "argocd":
		script, err := os.ReadFile(arguments[1])
		if err != nil {
			return nil, err
		}
		return argocd(string(script)), nil
	}
	return nil, errors.New("usage: judge kstatus | judge argocd SCRIPT")
}
