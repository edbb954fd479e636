// Command tfgen writes the plugin's schema: go run ./cmd/tfgen schema --skip-docs --skip-examples --out <dir>.
package main

import (
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfgen"

	"github.com/terraform-providers/terraform-provider-docker/plugin"
)

func main() {
	tfgen.Main("docker", plugin.Version, plugin.Provider())
}
