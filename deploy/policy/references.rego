# What objects promise each other.
# No server looks at it: an object that names another is accepted whether that is there or not.
package homeroom.manifests

import rego.v1

broken contains tell("references_exist", one.owner, asked) if {
	some one in templates
	some asked in asked_by(one.template)
	not asked in there(one.owner.metadata.namespace)
	not asked in brought_to(one.template)
}

asked_by(template) := ({asked |
	some container in containers_of(template)
	some asked in asked_by_container(container)
} | {asked |
	some volume in object.get(template.spec, "volumes", [])
	some asked in asked_by_volume(volume)
}) | {sprintf("serviceaccount/%s", [template.spec.serviceAccountName])}

asked_by_container(container) := (({sprintf("configmap/%s", [from.configMapRef.name]) |
	some from in object.get(container, "envFrom", [])
} | {sprintf("secret/%s", [from.secretRef.name]) |
	some from in object.get(container, "envFrom", [])
}) | {sprintf("secret/%s", [variable.valueFrom.secretKeyRef.name]) |
	some variable in object.get(container, "env", [])
}) | {sprintf("configmap/%s", [variable.valueFrom.configMapKeyRef.name]) |
	some variable in object.get(container, "env", [])
}

asked_by_volume(volume) := {asked |
	some asked in {
		sprintf("secret/%s", [volume.secret.secretName]),
		"",
	}
	asked != ""
} if {
	volume.secret
} else := {sprintf("configmap/%s", [volume.configMap.name])} if {
	volume.configMap
} else := {sprintf("persistentvolumeclaim/%s", [volume.persistentVolumeClaim.claimName])} if {
	volume.persistentVolumeClaim
} else := set()

there(namespace) := (({sprintf("%s/%s", [lower(object.kind), object.metadata.name]) |
	some object in input.objects
	object.kind in {"ConfigMap", "Secret", "PersistentVolumeClaim", "ServiceAccount"}
	object.metadata.namespace == namespace
} | {sprintf("secret/%s", [object.spec.secretName]) |
	some object in objects_of("Certificate")
	object.metadata.namespace == namespace
}) | {sprintf("secret/%s", [object.spec.target.name]) |
	some object in objects_of("ExternalSecret")
	object.metadata.namespace == namespace
}) | {sprintf("secret/%s-%s", [cluster.metadata.name, part]) |
	some cluster in objects_of("Cluster")
	cluster.metadata.namespace == namespace
	some part in ["app", "ca"]
}

brought_to(template) := {brought |
	some key, written in object.get(template.metadata, "annotations", {})
	startswith(key, "homeroom/brought")
	some brought in split(written, " ")
}

broken contains tell("service_selects_something", service, "no pod has these labels and ports") if {
	some service in objects_of("Service")
	some port in service.spec.ports
	not reaches(service, port)
}

reaches(service, port) if {
	some one in templates
	one.owner.metadata.namespace == service.metadata.namespace
	selects({"matchLabels": service.spec.selector}, one.template.metadata.labels)
	some container in containers_of(one.template)
	some offered in object.get(container, "ports", [])
	port.targetPort in {offered.name, offered.containerPort}
}

broken contains tell("policy_selects_something", policy, "no pod has these labels") if {
	some policy in input.objects
	policy.kind in {"NetworkPolicy", "PodDisruptionBudget"}
	selector := object.get(policy.spec, ["podSelector"], object.get(policy.spec, ["selector"], {}))
	not selects_some(policy.metadata.namespace, selector)
}

selects_some(namespace, selector) if {
	some pod in pods
	pod.namespace == namespace
	selects(selector, pod.labels)
}

broken contains tell("monitor_finds_numbers", monitor, endpoint.port) if {
	some monitor in objects_of("PodMonitor")
	some endpoint in monitor.spec.podMetricsEndpoints
	not is_offered(monitor, endpoint.port)
}

is_offered(monitor, name) if {
	some one in templates
	one.owner.metadata.namespace == monitor.metadata.namespace
	selects(monitor.spec.selector, one.template.metadata.labels)
	some container in containers_of(one.template)
	some port in object.get(container, "ports", [])
	port.name == name
}

broken contains tell("autoscaler_has_target", scaler, scaler.spec.scaleTargetRef.name) if {
	some scaler in objects_of("HorizontalPodAutoscaler")
	not scaled_by(scaler)
}

scaled_by(scaler) if {
	some object in input.objects
	object.kind == scaler.spec.scaleTargetRef.kind
	object.metadata.name == scaler.spec.scaleTargetRef.name
	object.metadata.namespace == scaler.metadata.namespace

	# What says how many there are, says it alone.
	not object.spec.replicas
}

broken contains tell("route_has_backend", route, backend.name) if {
	some route in objects_of("TLSRoute")
	some rule in route.spec.rules
	some backend in rule.backendRefs
	not serves(route.metadata.namespace, backend)
}

serves(namespace, backend) if {
	some service in objects_of("Service")
	service.metadata.namespace == namespace
	service.metadata.name == backend.name
	some port in service.spec.ports
	port.port == backend.port
}

broken contains tell("route_has_listener", route, "its gateway hears no such name") if {
	some route in objects_of("TLSRoute")
	some hostname in route.spec.hostnames
	not heard(route, hostname)
}

heard(route, hostname) if {
	some gateway in objects_of("Gateway")
	gateway.metadata.namespace == route.metadata.namespace
	some parent in route.spec.parentRefs
	parent.name == gateway.metadata.name
	some listener in gateway.spec.listeners
	listener.name == parent.sectionName
	listener.hostname == hostname
	listener.tls.mode == "Passthrough"
}

broken contains tell("nothing_left_unset", object, "the overlay does not say it") if {
	some object in input.objects
	some path, value in walk_text(object)
	regex.match(`(^|[./])unset([./]|$)`, value)
}

walk_text(object) := {path: value |
	walk(object, [path, value])
	is_string(value)
}
