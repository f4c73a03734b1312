// Says of each question (a line of JSON: kind, text) what Go's own parser says: an error, or nothing.
package main

import (
	"bufio"
	"crypto/ed25519"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/distribution/reference"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
	"k8s.io/apimachinery/pkg/api/resource"
)

func ask(kind, text string) error {
	switch kind {
	case "regexp": // cloudflared: ingress/ingress.go, validateIngress
		_, err := regexp.Compile(text)
		return err
	case "image": // kubelet: pkg/util/parsers/parsers.go, ParseImageName
		_, err := reference.ParseNormalizedNamed(text)
		return err
	case "quantity": // a quantity of nothing is of no use to us
		quantity, err := resource.ParseQuantity(text)
		if err == nil && quantity.Sign() <= 0 {
			err = fmt.Errorf("not more than zero")
		}
		return err
	case "known_hosts": // Flux: pkg/ssh/knownhosts, a copy of this package; the first line is what is asked for
		address, lines, _ := strings.Cut(text, "\n")
		return named(address, lines)
	}
	panic(kind)
}

// Whether lines of known_hosts hold any key of an address: then another key is a mismatch, and not unknown.
func named(address, lines string) error {
	file := filepath.Join(os.TempDir(), fmt.Sprintf("known-hosts-%d", os.Getpid()))
	defer os.Remove(file)
	if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
		panic(err)
	}
	check, err := knownhosts.New(file)
	if err != nil {
		return err
	}
	_, public, _ := ed25519.GenerateKey(nil)
	key, err := ssh.NewPublicKey(public.Public())
	if err != nil {
		panic(err)
	}
	err = check(address, &net.TCPAddr{}, key)
	var found *knownhosts.KeyError
	if errors.As(err, &found) && len(found.Want) > 0 {
		return nil
	}
	return err
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<26)
	for lines.Scan() {
		var question struct{ Kind, Text string }
		if err := json.Unmarshal(lines.Bytes(), &question); err != nil {
			panic(err)
		}
		said := ""
		if err := ask(question.Kind, question.Text); err != nil {
			said = err.Error()
		}
		answer, _ := json.Marshal(said)
		fmt.Println(string(answer))
	}
}
