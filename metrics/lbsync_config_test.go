package metrics

import "testing"

func TestLbsyncReloadFigures(t *testing.T) {
	c := NewLbsyncReloadsCollector(func() LbsyncReloads { return LbsyncReloads{Success: 2, Failure: 3, LastOK: true} })
	wantFigures(t, c, `rollcall_lbsync_config_last_reload_success 1
rollcall_lbsync_config_reloads_total{result="failure"} 3
rollcall_lbsync_config_reloads_total{result="success"} 2
`)
}
