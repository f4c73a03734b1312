// Says of each pattern (a JSON string a line) what Go's regexp.Compile says: an error, or nothing. First line: Go's version.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"runtime"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<26)
	fmt.Println(runtime.Version())
	for lines.Scan() {
		var pattern, refusal string
		if err := json.Unmarshal(lines.Bytes(), &pattern); err != nil {
			panic(err)
		}
		if _, err := regexp.Compile(pattern); err != nil {
			refusal = err.Error()
		}
		answer, _ := json.Marshal(refusal)
		fmt.Println(string(answer))
	}
}
