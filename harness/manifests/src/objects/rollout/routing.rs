//! Traffic routers and the routes that steps make (argo-rollouts v1.10.1
//! `pkg/apis/rollouts/v1alpha1/types.go: RolloutTrafficRouting`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::values::nullable;
use super::Json;

/// Two Services that take turns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PingPong {
    /// One of them.
    #[serde(default, deserialize_with = "nullable")]
    pub ping_service: String,
    /// The other.
    #[serde(default, deserialize_with = "nullable")]
    pub pong_service: String,
}

impl PingPong {
    /// Whether a Service is one of the two.
    pub fn takes(&self, service: &str) -> bool {
        self.ping_service == service || self.pong_service == service
    }
}

/// The traffic router. Which one it is matters to validation only; its settings are kept as written.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrafficRouting {
    /// Istio.
    #[serde(default)]
    pub istio: Option<Json>,
    /// NGINX.
    #[serde(default)]
    pub nginx: Option<Json>,
    /// AWS load balancers.
    #[serde(default)]
    pub alb: Option<Json>,
    /// Service Mesh Interface.
    #[serde(default)]
    pub smi: Option<Json>,
    /// Ambassador.
    #[serde(default)]
    pub ambassador: Option<Json>,
    /// AWS App Mesh.
    #[serde(default)]
    pub app_mesh: Option<Json>,
    /// Traefik.
    #[serde(default)]
    pub traefik: Option<Json>,
    /// APISIX.
    #[serde(default)]
    pub apisix: Option<Json>,
    /// Routers that are plugins, such as the Gateway API's.
    #[serde(default, deserialize_with = "nullable")]
    pub plugins: BTreeMap<String, Json>,
    /// Routes that steps may create.
    #[serde(default)]
    pub managed_routes: Option<Vec<ManagedRoute>>,
    /// The weight that stands for all traffic; 100 where unset.
    #[serde(default)]
    pub max_traffic_weight: Option<i32>,
}

impl TrafficRouting {
    /// The Service that an AWS load balancer's Ingress names, where it is not the stable one.
    pub fn root_service(&self) -> Option<&str> {
        self.alb.as_ref()?.get("rootService")?.as_str().filter(|name| !name.is_empty())
    }

    /// The names of the routers that are set, as the manifest spells them.
    pub fn routers(&self) -> Vec<&str> {
        let fixed = [
            ("istio", &self.istio),
            ("nginx", &self.nginx),
            ("alb", &self.alb),
            ("smi", &self.smi),
            ("ambassador", &self.ambassador),
            ("appMesh", &self.app_mesh),
            ("traefik", &self.traefik),
            ("apisix", &self.apisix),
        ];
        let fixed = fixed.into_iter().filter(|(_, router)| router.is_some()).map(|(name, _)| name);
        fixed.chain(self.plugins.keys().map(String::as_str)).collect()
    }
}

/// A route that steps may create.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct ManagedRoute {
    /// Its name.
    pub name: String,
}

/// A step that makes a route.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
pub struct RouteStep {
    /// The route.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What it matches, as written.
    #[serde(default, rename = "match", deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<Json>,
    /// What part of the requests a mirror gets, in percent; all where unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percentage: Option<i32>,
}

impl RouteStep {
    /// Whether the step makes the route; one that matches nothing takes it away (`rollout/trafficrouting/
    /// istio/istio.go: SetHeaderRoute`).
    pub fn adds(&self) -> bool {
        !self.matches.is_empty()
    }
}
