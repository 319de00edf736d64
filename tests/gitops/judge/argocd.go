package main

import (
	"context"
	"fmt"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// The Lua of Argo CD, with what it lets a health check use by default: no string, math, io or os.
var libraries = map[string]lua.LGFunction{
	lua.LoadLibName: lua.OpenPackage,
	lua.BaseLibName: lua.OpenBase,
	lua.TabLibName:  lua.OpenTable,
}

func argocd(script string) func(Object) (Verdict, error) {
	return func(object Object) (Verdict, error) {
		machine := lua.NewState(lua.Options{SkipOpenLibs: true})
		defer machine.Close()
		for name, open := range libraries {
			call := lua.P{Fn: machine.NewFunction(open), Protect: true}
			if err := machine.CallByParam(call, lua.LString(name)); err != nil {
				return Verdict{}, err
			}
		}
		limit, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		machine.SetContext(limit)
		machine.SetGlobal("obj", value(machine, object.Object))
		if err := machine.DoString(script); err != nil {
			return Verdict{}, err
		}
		answer, ok := machine.Get(-1).(*lua.LTable)
		if !ok {
			return Verdict{}, fmt.Errorf("the script returns a %s, not a table", machine.Get(-1).Type())
		}
		return Verdict{Status: text(answer, "status"), Message: text(answer, "message")}, nil
	}
}

func text(table *lua.LTable, field string) string {
	return lua.LVAsString(table.RawGetString(field))
}

func value(machine *lua.LState, given any) lua.LValue {
	switch given := given.(type) {
	case bool:
		return lua.LBool(given)
	case int64:
		return lua.LNumber(given)
	case float64:
		return lua.LNumber(given)
	case string:
		return lua.LString(given)
	case []any:
		list := machine.NewTable()
		for _, item := range given {
			list.Append(value(machine, item))
		}
		return list
	case map[string]any:
		table := machine.NewTable()
		for name, item := range given {
			table.RawSetString(name, value(machine, item))
		}
		return table
	}
	return lua.LNil
}
