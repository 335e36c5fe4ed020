// Reads a cluster as controllers written in Go do, by client-go's shared informers:
// `informer KUBECONFIG RESOURCE...`. Prints the time (ms since 1970) when all have been read, and stays.
package main

import (
	"fmt"
	"log"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

var resources = map[string]schema.GroupVersionResource{
	"services":       {Version: "v1", Resource: "services"},
	"endpointslices": {Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"},
}

func main() {
	config, err := clientcmd.BuildConfigFromFlags("", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	// As controller-runtime, and so MetalLB, has it for kinds that the server builds in.
	config.ContentType = "application/vnd.kubernetes.protobuf"
	factory := informers.NewSharedInformerFactory(kubernetes.NewForConfigOrDie(config), 0)
	for _, name := range os.Args[2:] {
		informer, err := factory.ForResource(resources[name])
		if err != nil {
			log.Fatal(err)
		}
		informer.Informer()
	}
	forever := make(chan struct{})
	factory.Start(forever)
	factory.WaitForCacheSync(forever)
	fmt.Println("synced", time.Now().UnixMilli())
	<-forever
}
