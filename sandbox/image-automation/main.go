// Command image-automation does to tags and to commit templates what Flux's image controllers do, whose modules are not
// served: image-reflector-controller, internal/policy (filter.go, semver.go), and image-automation-controller,
// internal/source (source.go, templateMsg). It reads one request from standard input, as JSON, and answers on standard
// output.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"text/template"

	"github.com/Masterminds/semver/v3"
	"github.com/Masterminds/sprig/v3"
	"github.com/fluxcd/pkg/version"
)

type change struct{ OldValue, NewValue, Setter string }

// result has the method of the same name of update.Result.
type result []change

func (r result) Changes() []change { return r }

type request struct {
	// The newest tag that a policy picks.
	Tags           []string
	Pattern, Range string
	// The commit message of a template.
	Template string
	Changes  result
}

func main() {
	var asked request
	answer, err := "", json.NewDecoder(os.Stdin).Decode(&asked)
	switch {
	case err != nil:
	case asked.Template != "":
		answer, err = message(asked.Template, asked.Changes)
	default:
		answer, err = latest(asked.Tags, asked.Pattern, asked.Range)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Print(answer)
}

func latest(tags []string, pattern, versions string) (string, error) {
	filter, err := regexp.Compile(pattern)
	if err != nil {
		return "", err
	}
	constraint, err := semver.NewConstraint(versions)
	if err != nil {
		return "", err
	}
	var newest *semver.Version
	for _, tag := range tags {
		if !filter.MatchString(tag) {
			continue
		}
		if v, err := version.ParseVersion(tag); err == nil && constraint.Check(v) && (newest == nil || v.GreaterThan(newest)) {
			newest = v
		}
	}
	if newest == nil {
		return "", fmt.Errorf("no tag fits")
	}
	return newest.Original(), nil
}

func message(text string, changed result) (string, error) {
	parsed, err := template.New("commit message").Funcs(sprig.HermeticTxtFuncMap()).Parse(text)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	err = parsed.Execute(&out, map[string]any{"Changed": changed})
	return out.String(), err
}
