package main

import (
	"io"
	"strings"
	"text/template"
)

// demoText is what the demo prints once everything is up.
type demoText struct {
	node      string // URL
	balance   string // IP:PORT
	config    string // the file that HAProxy runs; "" without HAProxy
	preview   string // the configuration that HAProxy would run; "" with HAProxy
	frontends []*frontend
}

func (t *demoText) print(w io.Writer) error {
	return demoTemplate.Execute(w, map[string]any{
		"Node": t.node, "Balance": "http://" + t.balance, "Config": t.config, "Preview": t.preview,
		"Frontends": t.frontends, "TTL": demoTTL, "Prefix": demoPrefix,
		"First": t.frontends[0].URL(), "Second": t.frontends[1].URL(),
	})
}

var demoTemplate = template.Must(template.New("demo").Funcs(template.FuncMap{"indent": indent}).Parse(`
Rollcall is up.

  registry node   {{.Node}}
{{- if .Config}}
  load balancer   {{.Balance}}   HAProxy, with {{.Config}} from lbsync
{{- else}}
  load balancer   none: HAProxy is not installed
{{- end}}
{{- range .Frontends}}
  frontend        {{.URL}}   registered as {{$.Prefix}}/{{.Name}} for {{$.TTL}}, and renews that
{{- end}}
{{if .Preview}}
No load balancer is running: for that, install HAProxy and start again. On Debian or Ubuntu:
  sudo apt-get install haproxy
lbsync follows the registry all the same. This is what it would have HAProxy check and then load;
as nothing has checked it, it is not written to any file:

{{indent .Preview}}
{{end}}
Try, in another terminal:

  Who is registered
    curl {{.Node}}/v2/keys{{.Prefix}}/
{{- if .Config}}
  The balancer goes round
    for i in 1 2 3 4 5 6; do curl -s {{.Balance}}/; done
{{- end}}
  A frontend dies without a word: its entry expires within {{.TTL}}{{if .Config}}, and the balancer goes on without it{{end}}
    curl -X POST {{.First}}/crash
  A frontend leaves in good order: its entry goes at once
    curl -X POST {{.Second}}/leave
  Register something of your own
    curl {{.Node}}/v2/keys{{.Prefix}}/mine -XPUT -d value=127.0.0.1:9000 -d ttl=60

Ctrl-C stops everything. What changes under {{.Prefix}}:

`))

func indent(s string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n  ")
}
