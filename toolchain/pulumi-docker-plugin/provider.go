// Package plugin bridges the Terraform provider for Docker to Pulumi, under the names that the pulumi-docker SDK 5
// uses, for machines that can build from Go modules but can't fetch the official plugin.
//
// Left out: docker_compose and docker_buildx_builder, which Edgedrop has no use for.
package plugin

import (
	"strings"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	sdkv2 "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v2"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	// An internal package: Go lets us in because this module's path lies below the provider's.
	docker "github.com/terraform-providers/terraform-provider-docker/internal/provider"
)

// Version is the SDK release this plugin stands in for; the linker sets it (toolchain/versions.env).
var Version = "0.0.0-dev"

// renamed are the Terraform resources whose Pulumi name isn't theirs in camel case.
var renamed = map[string]string{"docker_image": "RemoteImage", "docker_config": "ServiceConfig"}

var resources = []string{
	"docker_config", "docker_container", "docker_image", "docker_network", "docker_plugin",
	"docker_registry_image", "docker_secret", "docker_service", "docker_tag", "docker_volume",
}

var dataSources = []string{
	"docker_image", "docker_logs", "docker_network", "docker_plugin", "docker_registry_image",
	"docker_registry_image_manifests",
}

// Provider describes the whole plugin; the schema generator and the plugin both start from it.
func Provider() tfbridge.ProviderInfo {
	info := tfbridge.ProviderInfo{
		P:              sdkv2.NewProvider(docker.New(Version)()),
		Name:           "docker",
		Version:        Version,
		License:        "Apache-2.0",
		IgnoreMappings: []string{"docker_compose", "docker_buildx_builder"},
		Resources:      map[string]*tfbridge.ResourceInfo{},
		DataSources:    map[string]*tfbridge.DataSourceInfo{},
		Config: map[string]*tfbridge.SchemaInfo{
			"host": {Default: &tfbridge.DefaultInfo{
				EnvVars: []string{"DOCKER_HOST"}, Value: "unix:///var/run/docker.sock",
			}},
			"registry_auth": {Name: "registryAuth", MaxItemsOne: tfbridge.False()},
		},
	}
	for _, name := range resources {
		info.Resources[name] = &tfbridge.ResourceInfo{Tok: tfbridge.MakeResource("docker", "index", pascal(name))}
	}
	for _, name := range dataSources {
		token := tfbridge.MakeDataSource("docker", "index", "get"+pascal(name))
		info.DataSources[name] = &tfbridge.DataSourceInfo{Tok: tokens.ModuleMember(token)}
	}
	container := info.Resources["docker_container"]
	container.DeleteBeforeReplace = true
	// Lists, but not plural in the SDK.
	container.Fields = map[string]*tfbridge.SchemaInfo{
		"command":           {Name: "command"},
		"networks_advanced": {Name: "networksAdvanced"},
	}
	return info
}

func pascal(name string) string {
	if other, ok := renamed[name]; ok {
		return other
	}
	words := strings.Split(strings.TrimPrefix(name, "docker_"), "_")
	for i, word := range words {
		words[i] = strings.ToUpper(word[:1]) + word[1:]
	}
	return strings.Join(words, "")
}
