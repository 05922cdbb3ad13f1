package crdbproxy

import "testing"

func TestKindOf(t *testing.T) {
	for sql, want := range map[string]kind{
		"begin":                               begin,
		"BEGIN ISOLATION LEVEL SERIALIZABLE;": begin,
		"begin isolation level read committed not deferrable": begin,
		"start transaction":                                    begin,
		"commit":                                               commit,
		"END TRANSACTION":                                      commit,
		"COMMIT PREPARED 'x'":                                  other,
		"rollback":                                             rollback,
		"/* why */ abort -- now":                               rollback,
		"ROLLBACK TO SAVEPOINT other":                          other,
		"savepoint cockroach_restart":                          savepoint,
		`SAVEPOINT "cockroach_restart" ;`:                      savepoint,
		"SAVEPOINT other":                                      other,
		"RELEASE SAVEPOINT cockroach_restart":                  releaseSave,
		"release cockroach_restart":                            releaseSave,
		"ROLLBACK TO SAVEPOINT cockroach_restart":              rollbackTo,
		"rollback\nwork to\tcockroach_restart":                 rollbackTo,
		"SET TRANSACTION PRIORITY HIGH":                        setting,
		"begin; select 1; commit":                              other,
		"-- ping":                                              other,
		"SELECT 'commit'":                                      other,
		"INSERT INTO t VALUES ('; RELEASE cockroach_restart')": other,
	} {
		if got := kindOf(sql); got != want {
			t.Errorf("%q: got %d, want %d", sql, got, want)
		}
	}
}

func TestLacking(t *testing.T) {
	for sql, want := range map[string]bool{
		"LISTEN events":                            true,
		"select 1; unlisten *":                     true,
		"NOTIFY events, 'x'":                       true,
		"LOCK TABLE t IN SHARE MODE":               true,
		"SELECT pg_advisory_lock(1)":               true,
		"SELECT pg_try_advisory_xact_lock (1)":     true,
		"BEGIN READ ONLY DEFERRABLE":               true,
		"ALTER TABLE t ADD UNIQUE (a) DEFERRABLE":  true,
		"FOREIGN KEY (a) INITIALLY   DEFERRED":     true,
		"SET CONSTRAINTS ALL IMMEDIATE":            true,
		"BEGIN READ ONLY NOT DEFERRABLE":           false,
		"SELECT 'LOCK TABLE', 'pg_advisory_lock('": false,
		"SELECT locked FROM listen -- LISTEN":      false,
		"SELECT * FROM t FOR UPDATE SKIP LOCKED":   false,
	} {
		if got := lacking(sql) != ""; got != want {
			t.Errorf("%q: got %t, want %t", sql, got, want)
		}
	}
}
