# METADATA
# title: What a rendered deployment must be
# description: >-
#   Reads every object of one rendering and tells each that would not run, would run with more rights
#   than it needs, or would lose calls. What a schema cannot say: what objects promise each other.
package homeroom.manifests

import rego.v1

# What is deployed, and nothing else: another kind is a mistake, or wants its rules here first.
allowed_kinds := {
	"": {
		"v1": {
			"ConfigMap", "Namespace", "PersistentVolumeClaim", "Secret", "Service", "ServiceAccount",
		},
	},
	"admissionregistration.k8s.io": {
		"v1": {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"},
	},
	"apps": {"v1": {"Deployment", "StatefulSet"}},
	"autoscaling": {"v2": {"HorizontalPodAutoscaler"}},
	"batch": {"v1": {"CronJob", "Job"}},
	"cert-manager.io": {"v1": {"Certificate"}},
	"external-secrets.io": {"v1": {"ExternalSecret"}},
	"gateway.networking.k8s.io": {"v1": {"Gateway", "TLSRoute"}},
	"monitoring.coreos.com": {"v1": {"PodMonitor", "PrometheusRule"}},
	"networking.k8s.io": {"v1": {"NetworkPolicy"}},
	"policy": {"v1": {"PodDisruptionBudget"}},
	"postgresql.cnpg.io": {"v1": {"Cluster"}},
}

cluster_wide := {"Namespace", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}

name_pattern := `^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`

# A Service, a container and a port are labels of DNS.
label_pattern := `^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`

port_pattern := `^[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?$`

quantity_pattern := `^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$`

digest_pattern := `@sha256:[0-9a-f]{64}$`

tag_pattern := `:[A-Za-z0-9_][A-Za-z0-9._-]*$`

tell(rule, object, said) := {"rule": rule, "where": place_of(object), "said": said}

objects_of(kind) := [object | some object in input.objects; object.kind == kind]

place_of(object) := sprintf("%s/%s/%s", [
	object.kind, object.metadata.namespace, object.metadata.name,
]) if {
	object.metadata.namespace
} else := sprintf("%s/%s", [object.kind, object.metadata.name])

templates contains {"owner": object, "template": object.spec.template} if {
	some object in input.objects
	object.kind in {"Deployment", "StatefulSet", "Job"}
}

templates contains {"owner": object, "template": object.spec.jobTemplate.spec.template} if {
	some object in objects_of("CronJob")
}

containers_of(template) := array.concat(
	object.get(template.spec, "containers", []),
	object.get(template.spec, "initContainers", []),
)

all_containers contains {"owner": one.owner, "template": one.template, "container": container} if {
	some one in templates
	some container in containers_of(one.template)
}

selects(selector, labels) if {
	every key, value in object.get(selector, "matchLabels", {}) {
		labels[key] == value
	}
	every asked in object.get(selector, "matchExpressions", []) {
		asked.operator == "In"
		labels[asked.key] in asked.values
	}
}

# Pods that are made by others: an operator's, of which only a label is known.
operators_pods contains {"namespace": cluster.metadata.namespace, "labels": labels} if {
	some cluster in objects_of("Cluster")
	labels := {"cnpg.io/cluster": cluster.metadata.name}
}

pods := {pod |
	some one in templates
	pod := {
		"namespace": one.owner.metadata.namespace,
		"labels": object.get(one.template.metadata, "labels", {}),
	}
} | operators_pods

broken contains tell("known_kind", object, "this kind is none that is deployed") if {
	some object in input.objects
	not is_known(object)
}

is_known(object) if {
	parts := split(object.apiVersion, "/")
	group := concat("/", array.slice(parts, 0, count(parts) - 1))
	object.kind in allowed_kinds[group][parts[count(parts) - 1]]
}

broken contains tell("selector_matches_template", object, "it does not select its own pods") if {
	some object in input.objects
	object.kind in {"Deployment", "StatefulSet"}
	not selects(object.spec.selector, object.spec.template.metadata.labels)
}

broken contains tell("port_names_unique", one.owner, "two ports have one name") if {
	some one in templates
	names := [port.name |
		some container in containers_of(one.template)
		some port in object.get(container, "ports", [])
	]
	count(names) != count({name | some name in names})
}

broken contains tell("mounts_have_volumes", one.owner, mount.name) if {
	some one in all_containers
	some mount in object.get(one.container, "volumeMounts", [])
	not mount.name in volumes_of(one)
}

volumes_of(one) := {volume.name |
	some volume in object.get(one.template.spec, "volumes", [])
} | {claim.metadata.name |
	some claim in object.get(one.owner.spec, "volumeClaimTemplates", [])
}

broken contains tell("names_well_formed", object, object.metadata.name) if {
	some object in input.objects
	not regex.match(name_pattern, object.metadata.name)
}

broken contains tell("names_well_formed", service, service.metadata.name) if {
	some service in objects_of("Service")
	not regex.match(label_pattern, service.metadata.name)
}

broken contains tell("names_well_formed", one.owner, name) if {
	some one in all_containers
	some name in ({one.container.name} | {volume | some volume in volumes_of(one)})
	not regex.match(label_pattern, name)
}

broken contains tell("names_well_formed", one.owner, port.name) if {
	some one in all_containers
	some port in object.get(one.container, "ports", [])
	not regex.match(port_pattern, port.name)
}

broken contains tell("quantities_well_formed", one.owner, sprintf("%v", [quantity])) if {
	some one in all_containers
	some quantity in quantities_of(one)
	not is_quantity(quantity)
}

quantities_of(one) := ({quantity |
	some side in object.get(one.container, "resources", {})
	some quantity in side
} | {volume.emptyDir.sizeLimit |
	some volume in object.get(one.template.spec, "volumes", [])
}) | {claim.spec.resources.requests.storage |
	some claim in object.get(one.owner.spec, "volumeClaimTemplates", [])
}

is_quantity(quantity) if is_number(quantity)

is_quantity(quantity) if {
	is_string(quantity)
	regex.match(quantity_pattern, quantity)
}

broken contains tell("rollout_can_go_on", object, "neither one more nor one less") if {
	some object in objects_of("Deployment")
	object.spec.strategy.rollingUpdate.maxSurge in {0, "0", "0%"}
	object.spec.strategy.rollingUpdate.maxUnavailable in {0, "0", "0%"}
}
