// The Kubernetes provider of Pulumi, served from its Go module.
//
// The module's own main package embeds two generated files that the module does not hold. The files that they are
// generated from lie beside this program: sandbox/tools.py puts them there.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
)

// version is the release of the module, set when this is linked.
var version = "0.0.0"

func main() {
	addOptions()
	provider.Serve("kubernetes", version, read("schema.json"), read("terraform-mapping.json"))
}

// read returns a file that lies beside this program, and ends the program when it cannot.
func read(name string) []byte {
	program, err := os.Executable()
	if err == nil {
		program, err = filepath.EvalSymlinks(program)
	}
	var content []byte
	if err == nil {
		content, err = os.ReadFile(filepath.Join(filepath.Dir(program), name))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return content
}
