package main

import (
	"context"
	"os"
	"reflect"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/clients"
	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/kinds"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const (
	setting        = "kubernetes:config:"
	forceVariable  = "PULUMI_K8S_ENABLE_PATCH_FORCE"
	upsertVariable = "PULUMI_K8S_UPSERT_EXISTING_OBJECTS"
)

// addOptions adds the two options of release 4.29 that this program uses and this release lacks: enablePatchForce,
// which it knows as a variable only (pulumi-kubernetes, provider/pkg/await/await.go, patchForce), and
// upsertExistingObjects, without which the creation of an object that exists is refused.
func addOptions() {
	upserts := os.Getenv(upsertVariable) == "true"
	before("Configure", func(_ context.Context, _ any, request *pulumirpc.ConfigureRequest) error {
		if request.GetVariables()[setting+"enablePatchForce"] == "true" {
			os.Setenv(forceVariable, "true")
		}
		if chosen, set := request.GetVariables()[setting+"upsertExistingObjects"]; set {
			upserts = chosen == "true"
		}
		return nil
	})
	before("Create", func(ctx context.Context, server any, request *pulumirpc.CreateRequest) error {
		if upserts || request.GetPreview() {
			return nil
		}
		return refuseExisting(ctx, server, request)
	})
}

// before has check called before a method of the provider; an error of check is the answer instead.
func before[Request any](name string, check func(ctx context.Context, server any, request Request) error) {
	methods := pulumirpc.ResourceProvider_ServiceDesc.Methods
	for i := range methods {
		if methods[i].MethodName != name {
			continue
		}
		serve := methods[i].Handler
		methods[i].Handler = func(
			server any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor,
		) (any, error) {
			return serve(server, ctx, decode, func(
				ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler,
			) (any, error) {
				if err := check(ctx, server, request.(Request)); err != nil {
					return nil, err
				}
				if interceptor == nil {
					return handle(ctx, request)
				}
				return interceptor(ctx, request, info, handle)
			})
		}
	}
}

// refuseExisting answers with an error when the object that a request would make is in the cluster.
func refuseExisting(ctx context.Context, server any, request *pulumirpc.CreateRequest) error {
	urn := resource.URN(request.GetUrn())
	inputs, err := plugin.UnmarshalProperties(
		request.GetProperties(), plugin.MarshalOptions{KeepUnknowns: true, SkipNulls: true},
	)
	if err != nil {
		return err
	}
	object := unstructured.Unstructured{Object: inputs.Mappable()}
	// A Helm release has no kind; a patch and a list make no object of their own.
	if object.GetKind() == "" || kinds.IsPatchResource(urn, object.GetKind()) || kinds.IsListURN(urn) {
		return nil
	}
	// The provider's own client, which it does not export: a second one would have to read the kubeconfig again.
	set := (*clients.DynamicClientSet)(reflect.ValueOf(server).Elem().FieldByName("clientSet").UnsafePointer())
	client, err := set.ResourceClientForObject(&object)
	if err != nil {
		return nil // no such kind yet
	}
	if _, err := client.Get(ctx, object.GetName(), metav1.GetOptions{}); err != nil {
		return nil // not found; any other error meets the creation, too
	}
	kind := object.GroupVersionKind()
	mapping, err := set.RESTMapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return err
	}
	return status.Errorf(codes.AlreadyExists, "%s %q already exists\n\n"+
		"The resource already exists in the cluster. To adopt it, set upsertExistingObjects on the provider.",
		mapping.Resource.GroupResource(), object.GetName())
}
