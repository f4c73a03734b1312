// A fake of the provider random, as far as the program uses it, for machines that cannot download it.
//
// It does what RandomPassword does (terraform-provider-random, internal/provider/resource_password.go): the value is
// made once, and replaced when anything about it changes.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"os"
	"os/signal"
	"slices"
	"syscall"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

// How the engine marks a secret (Pulumi, sdk/go/common/resource/properties.go).
const (
	sentinel = "4dabf18193072939515e22adb298388d"
	secret   = "1b47061264138c4ac30d75fd1eb44270"
)

type properties = map[string]*structpb.Value

type random struct {
	pulumirpc.UnimplementedResourceProviderServer
}

func (random) CheckConfig(_ context.Context, asked *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	return &pulumirpc.CheckResponse{Inputs: asked.GetNews()}, nil
}

func (random) DiffConfig(context.Context, *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	return &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE}, nil
}

func (random) Configure(context.Context, *pulumirpc.ConfigureRequest) (*pulumirpc.ConfigureResponse, error) {
	return &pulumirpc.ConfigureResponse{AcceptSecrets: true, SupportsPreview: true}, nil
}

func (random) Check(_ context.Context, asked *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	return &pulumirpc.CheckResponse{Inputs: asked.GetNews()}, nil
}

func (random) Diff(_ context.Context, asked *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	before, now := inClear(asked.GetOldInputs()), inClear(asked.GetNews())
	every := maps.Clone(before)
	maps.Copy(every, now)
	var changed []string
	for _, name := range slices.Sorted(maps.Keys(every)) {
		if !proto.Equal(before[name], now[name]) {
			changed = append(changed, name)
		}
	}
	if changed == nil {
		return &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE}, nil
	}
	return &pulumirpc.DiffResponse{
		Changes: pulumirpc.DiffResponse_DIFF_SOME, Diffs: changed, Replaces: changed,
	}, nil
}

func (random) Create(_ context.Context, asked *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	if asked.GetPreview() {
		return &pulumirpc.CreateResponse{Properties: asked.GetProperties()}, nil
	}
	outputs := properties{}
	for _, kind := range []string{"lower", "upper", "numeric", "special"} {
		outputs[kind] = structpb.NewBoolValue(true)
	}
	maps.Copy(outputs, inClear(asked.GetProperties()))
	result, err := password(outputs)
	if err != nil {
		return nil, err
	}
	outputs["result"] = structpb.NewStructValue(&structpb.Struct{Fields: properties{
		sentinel: structpb.NewStringValue(secret), "value": structpb.NewStringValue(result),
	}})
	return &pulumirpc.CreateResponse{Id: "none", Properties: &structpb.Struct{Fields: outputs}}, nil
}

func (random) Read(_ context.Context, asked *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	return &pulumirpc.ReadResponse{
		Id: asked.GetId(), Properties: asked.GetProperties(), Inputs: asked.GetInputs(),
	}, nil
}

func (random) Delete(context.Context, *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

func (random) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

func (random) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{}, nil
}

// password makes one of the wished length from the wished kinds of characters.
func password(wished properties) (string, error) {
	special := "!@#$%&*()-_=+[]{}<>:?"
	if own := wished["overrideSpecial"].GetStringValue(); own != "" {
		special = own
	}
	var alphabet string
	for kind, characters := range map[string]string{
		"lower": "abcdefghijklmnopqrstuvwxyz", "upper": "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "numeric": "0123456789",
		"special": special,
	} {
		if wished[kind].GetBoolValue() {
			alphabet += characters
		}
	}
	if alphabet == "" {
		return "", fmt.Errorf("a password of no characters is wished")
	}
	result := make([]byte, int(wished["length"].GetNumberValue()))
	for i := range result {
		chosen, err := rand.Int(rand.Reader, big.NewInt(int64(len(alphabet))))
		if err != nil {
			return "", err
		}
		result[i] = alphabet[chosen.Int64()]
	}
	return string(result), nil
}

// inClear gives property values without the engine's marks of secrets.
func inClear(marked *structpb.Struct) properties {
	clear := properties{}
	for name, value := range marked.GetFields() {
		if inner := value.GetStructValue().GetFields(); inner[sentinel] != nil {
			value = inner["value"]
		}
		clear[name] = value
	}
	return clear
}

// main serves the provider on a free loopback port, which is printed for the engine, until the engine ends it or is
// gone: then standard input ends.
func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	server := grpc.NewServer()
	pulumirpc.RegisterResourceProviderServer(server, random{})
	ended, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	go func() {
		<-ended.Done()
		server.Stop()
	}()
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	if err := server.Serve(listener); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
