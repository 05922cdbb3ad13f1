package client

//go:generate go tool oapi-codegen -config oapi-codegen.yaml -o contract.gen.go ../openapi.yaml
