package main

import "github.com/fluxcd/cli-utils/pkg/kstatus/status"

func flux(object Object) (Verdict, error) {
	result, err := status.Compute(object)
	if err != nil {
		return Verdict{}, err
	}
	return Verdict{Status: string(result.Status), Message: result.Message}, nil
}
