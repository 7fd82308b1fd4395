package nginx

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"rollcall/lbsync"
)

const (
	// defaultMain and defaultErrorLog are where Debian's and nginx.org's packages have them.
	defaultMain     = "/etc/nginx/nginx.conf"
	defaultErrorLog = "/var/log/nginx/error.log"
	// logLimit is how much of the log is read, from its end, in bytes.
	logLimit = 64 << 10
	// quoteLimit is how many of its lines an error quotes, the last ones.
	quoteLimit = 5
)

var (
	// errorLogForm finds the directive of the main block. Inside http it has a block around it.
	errorLogForm = regexp.MustCompile(`(?m)^[ \t]*error_log[ \t]+(?:"([^"\n]+)"|'([^'\n]+)'|([^\s;"']+))`)
	httpForm     = regexp.MustCompile(`(?m)^[ \t]*http\s*\{`)
	// logLineForm is "2026/11/25 10:43:21 [emerg] 123#123: text".
	logLineForm = regexp.MustCompile(`^\S+ \S+ (\[(?:emerg|alert|crit|error)\]) (\d+)#\d+: (.*)$`)
)

// An errorLog is nginx's error log from some moment on. Its zero value has no lines.
type errorLog struct {
	path string
	from int64
}

// openErrorLog finds the log by the main configuration file, and begins at its present end. Where there is none that can be
// read, the result has no lines.
func openErrorLog(main, prefix string) errorLog {
	if main == "" {
		main = defaultMain
	}
	text, err := os.ReadFile(main)
	if err != nil {
		return errorLog{}
	}
	path := errorLogPath(string(text))
	if !filepath.IsAbs(path) && prefix != "" {
		path = filepath.Join(prefix, path)
	}
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return errorLog{}
	}
	return errorLog{path: path, from: info.Size()}
}

// errorLogPath is what the main block of a configuration names; the usual place when it names none.
func errorLogPath(text string) string {
	if at := httpForm.FindStringIndex(text); at != nil {
		text = text[:at[0]]
	}
	found := errorLogForm.FindStringSubmatch(text)
	if found == nil {
		return defaultErrorLog
	}
	return found[1] + found[2] + found[3]
}

// complaints returns the level and text of the new lines that report trouble, each once, written by one of the processes;
// by any when they are none.
func (l errorLog) complaints(pids []int) []string {
	text, err := l.read()
	if err != nil {
		return nil
	}
	var all []string
	for line := range strings.Lines(text) {
		found := logLineForm.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if found == nil {
			continue
		}
		pid, err := strconv.Atoi(found[2])
		if err != nil || len(pids) > 0 && !slices.Contains(pids, pid) {
			continue
		}
		if words := found[1] + " " + found[3]; !slices.Contains(all, words) {
			all = append(all, words)
		}
	}
	return all[max(0, len(all)-quoteLimit):]
}

// read returns what is new in the log. A log that has become shorter is a new file.
func (l errorLog) read() (text string, err error) {
	if l.path == "" {
		return "", nil
	}
	file, err := os.Open(l.path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	from := l.from
	if info.Size() < from {
		from = 0
	}
	from = max(from, info.Size()-logLimit)
	raw, err := io.ReadAll(io.NewSectionReader(file, from, logLimit))
	return strings.ToValidUTF8(string(raw), "?"), err
}

// argument returns what follows a flag in the first command that has it, or "".
func argument(flag string, commands ...lbsync.Command) string {
	for _, c := range commands {
		if at := slices.Index(c, flag); at >= 0 && at+1 < len(c) && !c.HasFile() {
			return c[at+1]
		}
	}
	return ""
}
